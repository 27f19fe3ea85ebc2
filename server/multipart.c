#include "multipart.h"

#include <string.h>
#include <strings.h>

#include "mimehead.h"

enum {
	IN_BODY,	/* of a part, or before the first delimiter */
	AFTER_BOUNDARY, /* right behind a delimiter */
	IN_PADDING,	/* blanks between a delimiter and its line end */
	AFTER_CR,	/* of the line that holds a delimiter */
	AFTER_DASH,	/* the first of the two that close the body */
	IN_HEAD,	/* header lines of a part */
	IN_EPILOGUE	/* after the closing delimiter: read past */
};

enum { PART_PREAMBLE, PART_PICTURE, PART_TEXT };

_Static_assert(sizeof(((struct multipart *)0)->delimiter) + 1 <= BODY_SLACK,
	       "a broken-off delimiter and one byte fit into the slack");

static bool is_boundary(const char *s, size_t n)
{
	static const char others[] = "'()+_,-./:=? ";

	if (n == 0 || n > MULTIPART_BOUNDARY_MAX || s[n - 1] == ' ')
		return false;
	for (size_t i = 0; i < n; i++) {
		bool letter = (s[i] >= 'a' && s[i] <= 'z') ||
			      (s[i] >= 'A' && s[i] <= 'Z');
		bool digit = s[i] >= '0' && s[i] <= '9';

		if (!letter && !digit &&
		    (s[i] == '\0' || strchr(others, s[i]) == NULL))
			return false;
	}
	return true;
}

enum status multipart_begin(struct multipart *m, const char *params,
			    struct errinfo *err)
{
	struct mime_param param;
	enum mime_next next;

	m->delimiter_len = 0;
	m->any_file = false;
	while ((next = mime_next_param(&params, &param)) == MIME_PARAM) {
		if (strcasecmp(param.name, "boundary") != 0)
			continue;
		if (m->delimiter_len != 0)
			return err_set(err, ST_BAD_REQUEST,
				       "Content-Type has two boundaries.");
		if (!is_boundary(param.value, param.value_len))
			return err_limit(
				err, ST_BAD_REQUEST, MULTIPART_BOUNDARY_MAX,
				(int64_t)param.value_len,
				"The multipart boundary must be 1 to %d of the "
				"characters that RFC 2046 allows.",
				MULTIPART_BOUNDARY_MAX);
		memcpy(m->delimiter, "\r\n--", 4);
		memcpy(m->delimiter + 4, param.value, param.value_len);
		m->delimiter_len = (uint8_t)(4 + param.value_len);
	}
	if (next == MIME_BAD || m->delimiter_len == 0)
		return err_set(err, ST_BAD_REQUEST,
			       "Content-Type multipart/form-data needs a "
			       "boundary parameter.");
	/* The start of the body counts as the start of a line. */
	m->matched = 2;
	m->state = IN_BODY;
	m->part = PART_PREAMBLE;
	return ST_OK;
}

static enum status malformed(struct body *b, const char *what)
{
	return err_set(&b->err, ST_BAD_REQUEST, "Multipart body: %s.", what);
}

static enum status read_disposition(struct multipart *m, struct body *b,
				    const char *value)
{
	struct mime_param param;
	enum mime_next next;
	size_t len;

	if (m->named)
		return malformed(b, "a part has two Content-Disposition lines");
	if (!mime_word_is(&value, "form-data"))
		return malformed(b, "a part is not form-data");
	while ((next = mime_next_param(&value, &param)) == MIME_PARAM) {
		if (strcasecmp(param.name, "filename") == 0 ||
		    strcasecmp(param.name, "filename*") == 0)
			m->file = true;
		if (strcasecmp(param.name, "name") != 0)
			continue;
		if (m->named)
			return malformed(b, "a part has two names");
		/* A cut name is still too long, so it will be refused. */
		len = param.value_len < sizeof(m->name) ? param.value_len
							: sizeof(m->name) - 1;
		memcpy(m->name, param.value, len);
		m->name[len] = '\0';
		m->named = true;
	}
	if (next == MIME_BAD || !m->named)
		return malformed(b, "a part's Content-Disposition is damaged "
				    "or has no name");
	return ST_OK;
}

/* One header line of a part, NUL-terminated in m->line. */
static enum status read_head_line(struct multipart *m, struct body *b)
{
	char *colon = strchr(m->line, ':');
	const char *value;

	if (m->line[0] == ' ' || m->line[0] == '\t' || colon == NULL ||
	    colon == m->line)
		return malformed(b, "a part's header line is damaged");
	*colon = '\0';
	value = colon + 1;
	if (strcasecmp(m->line, "Content-Disposition") == 0)
		return read_disposition(m, b, value);
	if (strcasecmp(m->line, "Content-Transfer-Encoding") == 0) {
		const char *a = value, *c = value, *d = value;

		if (!mime_word_is(&a, "binary") && !mime_word_is(&c, "8bit") &&
		    !mime_word_is(&d, "7bit"))
			return malformed(b, "Content-Transfer-Encoding is not "
					    "supported, send the bytes "
					    "themselves");
	}
	return ST_OK; /* RFC 7578: other fields are ignored */
}

/* An empty line ends the head of a part. */
static enum status begin_part(struct multipart *m, struct body *b)
{
	m->state = IN_BODY;
	if (!m->named)
		return malformed(b, "a part has no Content-Disposition");
	if (m->any_file ? m->file : strcmp(m->name, "image") == 0) {
		m->part = PART_PICTURE;
		return picring_begin(&b->pictures, &b->err);
	}
	m->part = PART_TEXT;
	if (m->file && paramstore_check_name(&b->params, m->name,
					     strlen(m->name), NULL) != ST_OK)
		return err_set(&b->err, ST_UNKNOWN_PARAMETER,
			       "the part of a picture is called image, not "
			       "\"%.40s\"",
			       m->name);
	return paramstore_open(&b->params, m->name, &b->err);
}

static enum status end_part(struct multipart *m, struct body *b)
{
	enum status st = ST_OK;

	if (m->part == PART_PICTURE)
		picring_end(&b->pictures);
	else if (m->part == PART_TEXT)
		st = paramstore_close(&b->params, &b->err);
	m->state = AFTER_BOUNDARY;
	return st;
}

static enum status emit(struct multipart *m, struct body *b, const void *data,
			size_t n)
{
	if (m->part == PART_PICTURE)
		picring_put(&b->pictures, data, n);
	else if (m->part == PART_TEXT)
		return paramstore_append(&b->params, data, n, &b->err);
	return ST_OK;
}

static enum status feed_head(struct multipart *m, struct body *b, uint8_t c)
{
	bool after_cr = m->line_len > 0 && m->line[m->line_len - 1] == '\r';

	if (m->head_left == 0)
		return err_limit(&b->err, ST_BAD_REQUEST, MULTIPART_HEAD_BYTES,
				 ERR_NO_NUMBER,
				 "Multipart body: the header lines of a part "
				 "are longer than %d bytes.",
				 MULTIPART_HEAD_BYTES);
	m->head_left--;
	if (after_cr != (c == '\n') ||
	    (c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
		return malformed(b, "a part's header line has a control "
				    "character");
	if (c != '\n') {
		m->line[m->line_len++] = (char)c;
		return ST_OK;
	}
	m->line[m->line_len - 1] = '\0';
	if (m->line_len == 1)
		return begin_part(m, b);
	m->line_len = 0;
	return read_head_line(m, b);
}

/* The rest of a line that began with a delimiter. */
static enum status feed_boundary_line(struct multipart *m, struct body *b,
				      uint8_t c)
{
	if (m->state == AFTER_CR && c == '\n') {
		m->state = IN_HEAD;
		m->line_len = 0;
		m->head_left = MULTIPART_HEAD_BYTES;
		m->named = false;
		m->file = false;
	} else if (m->state == AFTER_DASH && c == '-') {
		m->state = IN_EPILOGUE;
	} else if (m->state == AFTER_BOUNDARY && c == '-') {
		m->state = AFTER_DASH;
	} else if (m->state <= IN_PADDING && (c == ' ' || c == '\t')) {
		m->state = IN_PADDING;
	} else if (m->state <= IN_PADDING && c == '\r') {
		m->state = AFTER_CR;
	} else {
		return malformed(b, "a boundary is followed by something else "
				    "than a line end");
	}
	return ST_OK;
}

/* Takes some bytes of a part's body, at least one unless it only gives back
 * the start of what turned out to be no delimiter. The delimiter's only CR is
 * its first byte, so no shorter match can hide in the one that failed. */
static size_t feed_body(struct multipart *m, struct body *b,
			const uint8_t *data, size_t n)
{
	const uint8_t *cr;
	size_t room = picring_room(&b->pictures);

	if (m->matched == 0) {
		if (m->part == PART_PICTURE && n > room)
			n = room;
		cr = memchr(data, '\r', n);
		if (cr != NULL)
			n = (size_t)(cr - data);
		if (n > 0)
			return emit(m, b, data, n) == ST_OK ? n : 0;
	}
	if (data[0] == (uint8_t)m->delimiter[m->matched]) {
		m->matched++;
		if (m->matched < m->delimiter_len)
			return 1;
		m->matched = 0;
		return end_part(m, b) == ST_OK ? 1 : 0;
	}
	n = m->matched;
	m->matched = 0;
	(void)emit(m, b, m->delimiter, n); /* an error is in b */
	return 0;
}

size_t multipart_feed(struct multipart *m, struct body *b, const uint8_t *data,
		      size_t n)
{
	size_t done = 0;

	while (done < n && b->err.status == ST_OK) {
		if (m->state == IN_BODY) {
			if (m->part == PART_PICTURE &&
			    picring_room(&b->pictures) < BODY_SLACK)
				break;
			done += feed_body(m, b, data + done, n - done);
		} else if (m->state == IN_HEAD) {
			(void)feed_head(m, b, data[done++]);
		} else if (m->state == IN_EPILOGUE) {
			done = n;
		} else {
			(void)feed_boundary_line(m, b, data[done++]);
		}
	}
	return done;
}

void multipart_finish(struct multipart *m, struct body *b)
{
	if (m->state != IN_EPILOGUE)
		(void)malformed(b, "the closing boundary is missing");
}
