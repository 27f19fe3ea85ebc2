#include "router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/handlers.h"

static const char *const none[] = { NULL };
static const char *const enrol_params[] = { "person_id", "name", "mode", NULL };
static const char *const verify_params[] = { "person_id", "door_id", NULL };
static const char *const identify_params[] = { "door_id", "top", NULL };
static const char *const page_params[] = { "limit", "after", NULL };
static const char *const log_params[] = { "person_id", "door_id", "decision",
					  "reason",    "from",	  "to",
					  "min_score", "before",  "limit",
					  NULL };

/* Whatever asks the store runs on a worker, reads too: a filter that fits no
 * row looks at the whole log, and all reads share one connection. */
static const struct route routes[] = {
	{ "POST", "/enroll", ROUTE_EXACT, true, true, false, enrol_params,
	  handle_enroll },
	{ "POST", "/verify", ROUTE_EXACT, true, true, true, verify_params,
	  handle_verify },
	{ "POST", "/identify", ROUTE_EXACT, true, true, true, identify_params,
	  handle_identify },
	{ "POST", "/compare", ROUTE_EXACT, true, true, false, none,
	  handle_compare },
	{ "POST", "/detect", ROUTE_EXACT, true, true, false, none,
	  handle_detect },
	{ "GET", "/people", ROUTE_EXACT, true, false, false, page_params,
	  handle_people },
	{ "GET", "/people/", ROUTE_PERSON, true, false, false, none,
	  handle_person },
	{ "DELETE", "/people/", ROUTE_PERSON, true, false, false, none,
	  handle_person_delete },
	{ "GET", "/logs", ROUTE_EXACT, true, false, false, log_params,
	  handle_logs },
	{ "GET", "/logs/", ROUTE_ROW, true, false, false, none, handle_log },
	{ "GET", "/healthz", ROUTE_EXACT, false, false, false, none,
	  handle_healthz },
	{ "GET", "/readyz", ROUTE_EXACT, true, false, true, none,
	  handle_readyz },
	{ "GET", "/version", ROUTE_EXACT, false, false, false, none,
	  handle_version },
};

static bool path_fits(const struct route *route, const char *path)
{
	size_t n = strlen(route->path);

	if (route->kind == ROUTE_EXACT)
		return strcmp(route->path, path) == 0;
	return strncmp(route->path, path, n) == 0 && path[n] != '\0' &&
	       strchr(path + n, '/') == NULL;
}

static bool method_exists(const char *method)
{
	static const char *const methods[] = { "GET",	"HEAD",	   "POST",
					       "PUT",	"PATCH",   "DELETE",
					       "TRACE", "OPTIONS", "CONNECT" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i], method) == 0)
			return true;
	return false;
}

static enum status take_id(struct request *r, const struct route *route,
			   const char *path)
{
	const char *id = path + strlen(route->path);
	char *end;

	if (route->kind == ROUTE_PERSON) {
		if (!request_id_ok(id))
			return err_set(&r->err, ST_BAD_REQUEST,
				       "the person's id in the path is not "
				       "one");
		snprintf(r->person_id, sizeof(r->person_id), "%s", id);
	} else if (route->kind == ROUTE_ROW) {
		r->row_id = strtoll(id, &end, 10);
		if (*end != '\0' || r->row_id < 1 || strlen(id) > 18 ||
		    strspn(id, "0123456789") != strlen(id))
			return err_set(&r->err, ST_BAD_REQUEST,
				       "the number in the path is not one");
	}
	return ST_OK;
}

enum status router_find(struct request *r, const char *method, const char *path)
{
	bool exists = false;
	size_t n = 0; /* of r->allow; three methods at most fit easily */
	/* HEAD is GET without the body, which the library leaves out. */
	const char *want = strcmp(method, "HEAD") == 0 ? "GET" : method;

	if (!method_exists(method))
		return err_set(&r->err, ST_NOT_IMPLEMENTED, "unknown method");
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		const struct route *route = &routes[i];

		if (!path_fits(route, path))
			continue;
		exists = true;
		if (strcmp(route->method, want) == 0) {
			r->route = route;
			return take_id(r, route, path);
		}
		n += (size_t)snprintf(r->allow + n, sizeof(r->allow) - n,
				      "%s%s", n ? ", " : "",
				      strcmp(route->method, "GET") == 0
					      ? "GET, HEAD"
					      : route->method);
	}
	if (exists)
		return err_set(&r->err, ST_METHOD_NOT_ALLOWED,
			       "this route takes %s", r->allow);
	return err_set(&r->err, ST_NO_SUCH_ROUTE, "there is no such route");
}
