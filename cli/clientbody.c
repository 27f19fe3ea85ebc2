#include "clientbody.h"

#include <stdio.h>

#include "keystore.h"

/* Nothing of it has the boundary in it but by a chance of 2^-128. */
static void write_form(FILE *f, const struct client_request *q,
		       const char *boundary)
{
	static const char part[] = "--%s\r\nContent-Disposition: form-data; "
				   "name=\"%s\"\r\n";
	const struct client_param *p = q->params;

	for (; p != NULL && p->name != NULL; p++) {
		if (p->value == NULL)
			continue;
		fprintf(f, part, boundary, p->name);
		fprintf(f, "\r\n%s\r\n", p->value);
	}
	for (size_t i = 0; i < q->picture_count; i++) {
		fprintf(f, part, boundary, "image");
		fputs("Content-Type: image/jpeg\r\n\r\n", f);
		fwrite(q->pictures[i].bytes, 1, q->pictures[i].size, f);
		fputs("\r\n", f);
	}
	fprintf(f, "--%s--\r\n", boundary);
}

enum status clientbody_make(const struct client_request *q,
			    struct clientbody *out, struct errinfo *err)
{
	FILE *f;
	uint8_t random[16] = { 0 };
	char boundary[2 * sizeof(random) + 1];
	enum status st = ST_OK;
	bool ok = true;

	*out = (struct clientbody){ NULL, 0, "" };
	if (q->body == NULL && q->picture_count == 0)
		return ST_OK;
	f = open_memstream(&out->bytes, &out->size);
	if (f == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for the request");
	if (q->body != NULL) {
		ok = json_dumpf(q->body, f, JSON_COMPACT) == 0;
		snprintf(out->type, sizeof(out->type),
			 "Content-Type: application/json");
	} else {
		st = keystore_random(random, sizeof(random), err);
		keystore_to_hex(random, sizeof(random), boundary);
		write_form(f, q, boundary);
		snprintf(out->type, sizeof(out->type),
			 "Content-Type: multipart/form-data; boundary=%s",
			 boundary);
	}
	ok &= ferror(f) == 0;
	ok &= fclose(f) == 0;
	if (st == ST_OK && !ok)
		st = err_set(err, ST_NO_MEMORY, "no memory for the request");
	return st;
}
