/* The tool as a client of a daemon: one request at a time over HTTP or HTTPS.
 *
 * The key comes from a file or the environment, never from the command line,
 * which other users of the machine can read. One that signs is not sent.
 * Proxies of the environment are not used and redirections not followed: key
 * and pictures go to the server that was named and to nobody else. One thread.
 */
#ifndef FACEGATE_CLIENT_H
#define FACEGATE_CLIENT_H

#include <jansson.h>
#include <stdio.h>

#include "cli.h"

struct client;

/* The caller frees bytes, which end in a NUL that size does not count. */
struct client_file {
	char *bytes;
	size_t size;
};

/* Reads a file, or standard input for "-", of at most 64 MiB. The error does
 * not name the file. */
enum status client_read(const char *path, struct client_file *out,
			struct errinfo *err) MUST_CHECK;

/* One without a value is left out. */
struct client_param {
	const char *name, *value;
};

struct client_request {
	const char *method;
	const char *path;  /* "/people" */
	const char *id;	   /* what follows the path after a slash, or NULL */
	const char *of_id; /* what follows the id in turn, or NULL */
	const struct client_param *params; /* ends with a NULL name, or NULL */
	/* At most one of the two: the parameters go along as a form with
	 * pictures, and into the address otherwise. */
	const struct client_file *pictures;
	size_t picture_count;
	const json_t *body;
	/* Where the body of a good answer goes as it comes, in the media type
	 * accept; NULL to have it as JSON. */
	FILE *stream;
	const char *accept;
	unsigned timeout_s; /* for all of it; 0: while something comes */
};

struct client_reply {
	unsigned http;	  /* 0: there was no answer */
	unsigned retry_s; /* seconds of Retry-After, 0 for none */
	json_t *json;	  /* of a good answer that has a body; the caller's */
};

/* Reads the key. out is closed by client_close, which takes NULL. */
enum status client_open(const struct cli *cli, struct client **out,
			struct errinfo *err) MUST_CHECK;
void client_close(struct client *c);
/* The address that is asked, without a slash at its end. */
const char *client_server(const struct client *c);

/* ST_OK for an answer from 200 to 299. Otherwise the error has the code and
 * the detail that the daemon gave, or ST_IO_ERROR and why there is none. */
enum status client_send(struct client *c, const struct client_request *q,
			struct client_reply *reply,
			struct errinfo *err) MUST_CHECK;

#endif
