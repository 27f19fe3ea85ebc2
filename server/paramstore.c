#include "paramstore.h"

#include <stdbool.h>
#include <string.h>

_Static_assert(UPLOAD_TEXT_BYTES <= UINT16_MAX + 1, "places are 16 bits");

void paramstore_reset(struct paramstore *p)
{
	p->used = 0;
	p->extra = 0;
	p->count = 0;
	p->names = NULL;
}

enum status paramstore_check_name(const struct paramstore *p, const char *name,
				  size_t len, struct errinfo *err)
{
	const char *const *n = p->names;

	while (n != NULL && *n != NULL &&
	       (strncmp(*n, name, len) != 0 || (*n)[len] != '\0'))
		n++;
	if (n == NULL || *n != NULL)
		return ST_OK;
	return err_set(err, ST_UNKNOWN_PARAMETER,
		       "this route has no parameter \"%.*s\"",
		       len < 40 ? (int)len : 40, name);
}

/* Length of the well-formed character at s (Unicode table 3-7: no overlong
 * form, no surrogate, nothing past U+10FFFF), 0 if there is none. */
static size_t utf8_char(const uint8_t *s, size_t n)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (n < len)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < len; i++) {
		if (s[i] < low || s[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return len;
}

static bool is_text(const char *s, size_t n, bool controls)
{
	const uint8_t *u = (const uint8_t *)s;
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		len = utf8_char(u + i, n - i);
		if (len == 0 || u[i] == 0)
			return false;
		if (!controls && (u[i] < 0x20 || u[i] == 0x7f))
			return false;
	}
	return true;
}

enum status paramstore_collect(struct paramstore *p, const void *data, size_t n,
			       struct errinfo *err)
{
	if (n > sizeof(p->text) - p->used - p->extra)
		return err_limit(err, ST_BAD_REQUEST, sizeof(p->text),
				 ERR_NO_NUMBER,
				 "All that is not picture may be %zu bytes at "
				 "most.",
				 sizeof(p->text));
	memcpy(p->text + p->used + p->extra, data, n);
	p->extra += n;
	return ST_OK;
}

const char *paramstore_collected(const struct paramstore *p, size_t *n)
{
	*n = p->extra;
	return p->text + p->used;
}

void paramstore_drop_collected(struct paramstore *p)
{
	p->extra = 0;
}

enum status paramstore_open(struct paramstore *p, const char *name,
			    struct errinfo *err)
{
	size_t len = strlen(name);
	enum status st;

	if (len == 0 || len > PARAM_NAME_MAX || !is_text(name, len, false))
		return err_limit(err, ST_BAD_REQUEST, PARAM_NAME_MAX,
				 (int64_t)len,
				 "A parameter's name is 1 to %d bytes of "
				 "printable UTF-8.",
				 PARAM_NAME_MAX);
	st = paramstore_check_name(p, name, len, err);
	if (st != ST_OK)
		return st;
	if (paramstore_find(p, name) != NULL)
		return err_set(err, ST_BAD_REQUEST,
			       "Parameter %s is given twice.", name);
	if (p->count == UPLOAD_PARAMS_MAX)
		return err_limit(err, ST_BAD_REQUEST, UPLOAD_PARAMS_MAX,
				 UPLOAD_PARAMS_MAX + 1,
				 "A request may have %d parameters at most.",
				 UPLOAD_PARAMS_MAX);
	p->extra = 0;
	st = paramstore_collect(p, name, len + 1, err);
	if (st != ST_OK)
		return st;
	p->name[p->count] = (uint16_t)p->used;
	p->value[p->count] = (uint16_t)(p->used + p->extra);
	return ST_OK;
}

static const char *open_name(const struct paramstore *p)
{
	return p->text + p->name[p->count];
}

/* Bytes of the open value so far. */
static size_t open_length(const struct paramstore *p)
{
	return p->used + p->extra - p->value[p->count];
}

enum status paramstore_append(struct paramstore *p, const void *data, size_t n,
			      struct errinfo *err)
{
	if (n > PARAM_VALUE_MAX - open_length(p))
		return err_limit(err, ST_BAD_REQUEST, PARAM_VALUE_MAX,
				 ERR_NO_NUMBER,
				 "Parameter %s is longer than %d bytes.",
				 open_name(p), PARAM_VALUE_MAX);
	return paramstore_collect(p, data, n, err);
}

enum status paramstore_close(struct paramstore *p, struct errinfo *err)
{
	const char *value = p->text + p->value[p->count];
	enum status st;

	if (!is_text(value, open_length(p), true))
		return err_set(err, ST_BAD_REQUEST,
			       "Parameter %s is not UTF-8 without NUL.",
			       open_name(p));
	st = paramstore_collect(p, "", 1, err);
	if (st != ST_OK)
		return st;
	p->used += p->extra;
	p->extra = 0;
	p->count++;
	return ST_OK;
}

enum status paramstore_add(struct paramstore *p, const char *name,
			   const char *value, size_t value_len,
			   struct errinfo *err)
{
	enum status st = paramstore_open(p, name, err);

	if (st == ST_OK)
		st = paramstore_append(p, value, value_len, err);
	if (st == ST_OK)
		st = paramstore_close(p, err);
	p->extra = 0; /* a refused one leaves nothing behind */
	return st;
}

const char *paramstore_find(const struct paramstore *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->text + p->name[i], name) == 0)
			return p->text + p->value[i];
	return NULL;
}
