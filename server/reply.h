/* Answers. The one place that knows which HTTP status a status code is. */
#ifndef FACEGATE_REPLY_H
#define FACEGATE_REPLY_H

#include <jansson.h>

#include "request.h"

struct embedded;

#define REPLY_TAG_BYTES 19 /* an ETag with its quotes and NUL */

/* Each sets r's answer (the first one wins); the network thread sends it. */
void reply_json(struct request *r, int http_status, json_t *body); /* takes */
/* The same with the digits that a client's own numbers have: seven are enough
 * for what is measured. */
void reply_kept(struct request *r, int http_status, json_t *body);
/* The same with an ETag of the body: the client may change what it tells. */
void reply_tagged(struct request *r, int http_status, json_t *body);
/* 200 with text from malloc, which is taken. */
void reply_plain(struct request *r, char *text, const char *type);
/* 200 with a file of the program, or 304 when the client has it. */
void reply_file(struct request *r, const struct embedded *file);
void reply_empty(struct request *r, int http_status);
/* RFC 9457 problem from r->err. part names the picture at fault; NULL
 * or "": none. */
void reply_problem(struct request *r, const char *part);
/* Its text alone, from malloc, or NULL: sets r->problem, r->http_status and the
 * type of its content. */
char *reply_problem_text(struct request *r, const char *part,
			 const char **type);
/* Answers with a problem of a status and a sentence made on the spot. */
void reply_error(struct request *r, enum status st, const char *text);
/* Rows of the store as a page: how many were asked for and found, and how one
 * is told; its member `cursor` of the last row asks for the next page. */
struct reply_rows {
	const char *name, *cursor;
	json_t *(*tell)(const void *row);
	void *page; /* from request_page; freed by reply_page */
	size_t row_bytes, n;
	int64_t limit;
};

/* 200 with the rows, or the problem in r->err when st is not ST_OK. */
void reply_page(struct request *r, enum status st,
		const struct reply_rows *rows);
/* 200 with a body that comes from a callback. Takes resp. */
void reply_stream(struct request *r, struct MHD_Response *resp,
		  const char *type);
/* Adds a header to the answer set before. */
void reply_header(struct request *r, const char *name, const char *value);

/* Whether a change may be made of what reply_tagged would tell as `now`, which
 * is taken; NULL: there is nothing. ST_CHANGED_MEANWHILE when If-Match or
 * If-None-Match of the request says no. */
enum status reply_unchanged(struct request *r, json_t *now) MUST_CHECK;

int reply_http_status(enum status st);

/* The names of failed checks (facequality.h). */
json_t *reply_checks(unsigned checks);
/* A text as JSON; null for NULL and the empty text. */
json_t *reply_text(const char *s);

#endif
