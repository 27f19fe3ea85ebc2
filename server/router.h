/* Which handler answers which method and path, and for whom. */
#ifndef FACEGATE_ROUTER_H
#define FACEGATE_ROUTER_H

#include "request.h"

enum route_body {
	BODY_NONE,
	BODY_PICTURES, /* see upload.h */
	BODY_DOCUMENT, /* one JSON object of at most UPLOAD_TEXT_BYTES */
	BODY_FORM      /* DeepStack's: may hold the key; see decision 0011 */
};

struct route {
	const char *method;
	const char *path; /* segments; {name_id} stands for one that is an id,
			   * {name_no} for a number */
	unsigned roles;	  /* of enum role; 0: nobody needs a key */
	bool on_worker;	  /* computes, or asks the store */
	bool urgent;	  /* a door waits: goes ahead of everything else */
	enum route_body body;
	const char *const *params; /* names, NULL at the end */
	/* Runs on the network thread with slot 0 unused, or on a worker. Sets
	 * an answer in every case. */
	void (*run)(struct request *r, unsigned slot);
};

/* Finds r->route and fills the ids of the path. ST_NO_SUCH_ROUTE,
 * ST_METHOD_NOT_ALLOWED (r->allow lists the methods there are), ST_BAD_REQUEST
 * (an id in the path that cannot be one), ST_NOT_IMPLEMENTED (method). */
enum status router_find(struct request *r, const char *method,
			const char *path) MUST_CHECK;

/* The routes by number, for counting: NULL beyond the last one. */
const struct route *router_at(size_t i);
size_t router_index(const struct route *route);

#endif
