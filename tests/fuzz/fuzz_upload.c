/* libFuzzer entry for request bodies. The first byte chooses the form, the
 * second the size of the pieces in which the rest is fed; fed at once, it must
 * come out the same. In the last form the first line is the content type. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"
#include "upload.h"

/* NULL is what a route expects that does not go by the content type. */
static const struct {
	const char *type, *form;
} forms[] = {
	{ "image/jpeg", NULL },
	{ "multipart/form-data; boundary=b", NULL },
	{ "application/json", NULL },
	{ NULL, NULL }, /* a document */
	{ NULL, "multipart/form-data; boundary=b" },
	{ NULL, "application/x-www-form-urlencoded" },
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))

/* What came out, as a number. */
struct outcome {
	enum status st;
	uint64_t digest;
};

static void digest(struct outcome *o, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		o->digest = (o->digest ^ ((const uint8_t *)bytes)[i]) *
			    1099511628211u;
}

static void read_what_is_there(struct upload *u, struct outcome *o)
{
	const char *document;
	uint8_t buf[512];
	ssize_t n;
	size_t length;

	while (upload_next_picture(u, NULL) == ST_OK) {
		digest(o, "picture", 7);
		while ((n = upload_read(u, buf, sizeof(buf))) > 0)
			digest(o, buf, (size_t)n);
	}
	o->st = upload_error(u, NULL);
	if (o->st != ST_OK)
		return;
	for (size_t i = 0; i < upload_param_count(u); i++) {
		const char *name = upload_param_name(u, i);
		const char *value = upload_param(u, name);

		fuzz_check(value != NULL);
		digest(o, name, strlen(name) + 1);
		digest(o, value, strlen(value) + 1);
	}
	document = upload_document(u, &length);
	digest(o, document, length);
}

static struct outcome feed(struct upload *u, const char *type, const char *form,
			   const uint8_t *data, size_t size, size_t piece)
{
	struct outcome o = { ST_OK, 14695981039346656037u };
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	o.st = upload_begin(u, type, 30000,
			    ((uint64_t)now.tv_sec + 60) * 1000000, NULL, NULL,
			    NULL);
	if (o.st != ST_OK)
		return o;
	if (form != NULL)
		fuzz_check(upload_expect_form(u, form, NULL) == ST_OK);
	else if (type == NULL)
		upload_expect_document(u);
	for (size_t i = 0; i < size; i += piece) {
		size_t n = size - i < piece ? size - i : piece;

		fuzz_check(upload_feed(u, data + i, n) == n);
	}
	upload_finish(u);
	read_what_is_there(u, &o);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct upload *u;
	const uint8_t *body = data + 2;
	const char *type = NULL, *form = NULL;
	struct outcome pieces, whole;
	char *line = NULL;
	size_t kind, n;

	if (u == NULL)
		upload_init(malloc(upload_bytes(UPLOAD_RING_BYTES)),
			    UPLOAD_RING_BYTES, &u);
	/* Bodies that fit into the ring need no second thread. */
	if (size < 2 || size > UPLOAD_RING_BYTES / 2)
		return 0;
	kind = data[0] % (FORMS + 1);
	n = size - 2;
	if (kind < FORMS) {
		type = forms[kind].type;
		form = forms[kind].form;
	} else {
		const uint8_t *end = memchr(body, '\n', n);

		if (end == NULL)
			return 0;
		type = line = fuzz_text(body, (size_t)(end - body));
		n -= (size_t)(end - body) + 1;
		body = end + 1;
	}
	pieces = feed(u, type, form, body, n, (size_t)data[1] + 1);
	whole = feed(u, type, form, body, n, n + 1);
	fuzz_check(pieces.st == whole.st);
	if (pieces.st == ST_OK)
		fuzz_check(pieces.digest == whole.digest);
	free(line);
	return 0;
}
