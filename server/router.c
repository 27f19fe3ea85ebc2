#include "router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "docvalue.h"
#include "handlers/handlers.h"
#include "srv.h"

static const char *const none[] = { NULL };
static const char *const enrol_params[] = { "person_id", "name", "mode",
					    "duplicate", NULL };
static const char *const verify_params[] = { "person_id", "door_id", NULL };
static const char *const identify_params[] = { "door_id", "top", "group",
					       NULL };
static const char *const page_params[] = { "limit", "after", NULL };
static const char *const audit_params[] = { "limit", "before", NULL };
static const char *const people_params[] = { "limit", "after", "search", NULL };
static const char *const log_params[] = { "person_id", "door_id", "decision",
					  "reason",    "from",	  "to",
					  "min_score", "before",  "after",
					  "limit",     NULL };

#define DOOR	ROLE_DOOR
#define KIOSK	ROLE_KIOSK
#define AUDITOR ROLE_AUDITOR
/* DeepStack's clients have one key for all they do. */
#define DOOR_OR_KIOSK (ROLE_DOOR | ROLE_KIOSK)

/* Whatever asks the store runs on a worker, reads too: a filter that fits no
 * row looks at the whole log, and all reads share one connection. An admin may
 * do everything. */
static const struct route routes[] = {
	{ "POST", "/enroll", KIOSK, true, false, BODY_PICTURES, enrol_params,
	  handle_enroll },
	{ "POST", "/verify", DOOR, true, true, BODY_PICTURES, verify_params,
	  handle_verify },
	{ "POST", "/identify", DOOR, true, true, BODY_PICTURES, identify_params,
	  handle_identify },
	{ "POST", "/compare", DOOR, true, false, BODY_PICTURES, none,
	  handle_compare },
	{ "POST", "/detect", ROLE_ANY, true, false, BODY_PICTURES, none,
	  handle_detect },
	{ "GET", "/people", KIOSK, true, false, BODY_NONE, people_params,
	  handle_people },
	{ "GET", "/people/{person_id}", KIOSK, true, false, BODY_NONE, none,
	  handle_person },
	{ "POST", "/people", KIOSK, true, false, BODY_DOCUMENT, none,
	  handle_person_add },
	{ "PATCH", "/people/{person_id}", KIOSK, true, false, BODY_DOCUMENT,
	  none, handle_person_patch },
	{ "GET", "/people/{person_id}/templates", KIOSK, true, false, BODY_NONE,
	  page_params, handle_templates },
	{ "DELETE", "/people/{person_id}/templates/{template_no}", KIOSK, true,
	  false, BODY_NONE, none, handle_template_delete },
	{ "DELETE", "/people/{person_id}", KIOSK, true, false, BODY_NONE, none,
	  handle_person_delete },
	{ "GET", "/doors", ROLE_ADMIN, true, false, BODY_NONE, page_params,
	  handle_doors },
	{ "GET", "/doors/{door_id}", ROLE_ADMIN, true, false, BODY_NONE, none,
	  handle_door },
	{ "PUT", "/doors/{door_id}", ROLE_ADMIN, true, false, BODY_DOCUMENT,
	  none, handle_door_put },
	{ "DELETE", "/doors/{door_id}", ROLE_ADMIN, true, false, BODY_NONE,
	  none, handle_door_delete },
	{ "GET", "/logs", AUDITOR, true, false, BODY_NONE, log_params,
	  handle_logs },
	{ "GET", "/logs/{log_no}", AUDITOR, true, false, BODY_NONE, none,
	  handle_log },
	{ "POST", "/v1/vision/face/register", KIOSK, true, false, BODY_FORM,
	  none, handle_deepstack_register },
	{ "POST", "/v1/vision/face/recognize", DOOR_OR_KIOSK, true, false,
	  BODY_FORM, none, handle_deepstack_recognize },
	{ "POST", "/v1/vision/face/match", DOOR_OR_KIOSK, true, false,
	  BODY_FORM, none, handle_deepstack_match },
	{ "POST", "/v1/vision/face/list", KIOSK, true, false, BODY_FORM, none,
	  handle_deepstack_list },
	{ "POST", "/v1/vision/face/delete", KIOSK, true, false, BODY_FORM, none,
	  handle_deepstack_delete },
	{ "GET", "/audit", AUDITOR, true, false, BODY_NONE, audit_params,
	  handle_audit },
	{ "GET", "/metrics", AUDITOR, false, false, BODY_NONE, none,
	  handle_metrics },
	{ "GET", "/healthz", 0, false, false, BODY_NONE, none, handle_healthz },
	{ "GET", "/readyz", 0, true, true, BODY_NONE, none, handle_readyz },
	{ "GET", "/openapi.json", 0, false, false, BODY_NONE, none,
	  handle_openapi },
	{ "GET", "/", 0, false, false, BODY_NONE, none, handle_console },
	{ "GET", "/favicon.ico", 0, false, false, BODY_NONE, none,
	  handle_console },
	{ "GET", "/console/{file_id}", 0, false, false, BODY_NONE, none,
	  handle_console },
	{ "GET", "/version", 0, false, false, BODY_NONE, none, handle_version },
};

_Static_assert(sizeof(routes) / sizeof(routes[0]) <= COUNTERS_ROUTES,
	       "every route has its counters");

/* Steps over one segment of both; false when they differ. A placeholder fits
 * every segment that is not empty. */
static bool segment_fits(const char **pattern, const char **path)
{
	size_t n = strcspn(*pattern, "/"), m = strcspn(*path, "/");
	bool fits = **pattern == '{'
			    ? m > 0
			    : n == m && memcmp(*pattern, *path, n) == 0;

	*pattern += n;
	*path += m;
	return fits && **pattern == **path;
}

static bool path_fits(const struct route *route, const char *path)
{
	const char *pattern = route->path;

	while (*pattern == '/' && *path == '/') {
		pattern++;
		path++;
		if (!segment_fits(&pattern, &path))
			return false;
	}
	return *pattern == '\0' && *path == '\0';
}

static bool method_exists(const char *method)
{
	static const char *const methods[] = { "GET",	"HEAD",	   "POST",
					       "PUT",	"PATCH",   "DELETE",
					       "TRACE", "OPTIONS", "CONNECT",
					       "QUERY" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i], method) == 0)
			return true;
	return false;
}

static enum status take_number(struct request *r, const char *text, size_t n)
{
	char *end;

	r->row_id = strtoll(text, &end, 10);
	if (end != text + n || n > 18 || *text < '0' || *text > '9' ||
	    r->row_id < 1)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "the number in the path is not one");
	return ST_OK;
}

/* The segments of the path that placeholders stand for. */
static enum status take_ids(struct request *r, const struct route *route,
			    const char *path)
{
	const char *pattern = route->path;
	enum status st = ST_OK;

	while (st == ST_OK && *pattern == '/') {
		const char *name = ++pattern, *text = ++path;
		size_t n, m = strcspn(path, "/");

		n = strcspn(pattern, "/");
		pattern += n;
		path += m;
		if (*name != '{')
			continue;
		if (strncmp(name + n - 4, "_no}", 4) == 0) {
			st = take_number(r, text, m);
			continue;
		}
		if (m < sizeof(r->path_id))
			memcpy(r->path_id, text, m);
		if (m >= sizeof(r->path_id) || !docvalue_id_ok(r->path_id))
			st = err_set(&r->err, ST_BAD_REQUEST,
				     "the id in the path is not one");
	}
	return st;
}

const struct route *router_at(size_t i)
{
	return i < sizeof(routes) / sizeof(routes[0]) ? &routes[i] : NULL;
}

size_t router_index(const struct route *route)
{
	return (size_t)(route - routes);
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

		if (!path_fits(route, path) || (route->body == BODY_FORM &&
						r->srv->cfg.deepstack_kib == 0))
			continue;
		exists = true;
		if (strcmp(route->method, want) == 0) {
			r->route = route;
			return take_ids(r, route, path);
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
