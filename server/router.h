/* Which handler answers which method and path. */
#ifndef FACEGATE_ROUTER_H
#define FACEGATE_ROUTER_H

#include "request.h"

enum route_path {
	ROUTE_EXACT,  /* the path itself */
	ROUTE_PERSON, /* path/{person_id} */
	ROUTE_ROW     /* path/{number} */
};

struct route {
	const char *method;
	const char *path;
	enum route_path kind;
	bool on_worker; /* computes, or asks the store */
	bool body;	/* takes pictures */
	bool urgent;	/* a door waits: goes ahead of everything else */
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

#endif
