/* GET /openapi.json and the operator's console: files that are part of the
 * program. Nobody needs a key for them; the console's page sends one with what
 * it asks for. */
#include <stdio.h>
#include <string.h>

#include "embedded.h"
#include "handlers/handlers.h"
#include "reply.h"
#include "router.h"
#include "srv.h"

/* The page may load, send and show what is the daemon's own, and nothing else;
 * no other page may frame it. */
#define CONSOLE_POLICY                                                         \
	"default-src 'none'; script-src 'self'; style-src 'self'; "            \
	"img-src 'self'; connect-src 'self'; frame-ancestors 'none'; "         \
	"base-uri 'none'; form-action 'none'"

void handle_openapi(struct request *r, unsigned slot)
{
	const struct embedded *file = srv_contract();

	(void)slot;
	if (file == NULL)
		reply_error(r, ST_NO_MEMORY, "no memory to unpack it");
	else
		reply_file(r, file);
}

void handle_console(struct request *r, unsigned slot)
{
	const char *path = r->route->path;
	char name[sizeof("console/") + sizeof(r->path_id)];
	const struct embedded *file;

	(void)slot;
	if (strcmp(path, "/") == 0)
		path = "index.html";
	else if (strcmp(path, "/favicon.ico") == 0)
		path = "icon.svg";
	else
		path = r->path_id;
	(void)snprintf(name, sizeof(name), "console/%s", path);
	file = r->srv->cfg.console ? srv_embedded_find(name) : NULL;
	if (file == NULL) {
		reply_error(r, ST_NO_SUCH_ROUTE,
			    r->srv->cfg.console
				    ? "the console has no such file"
				    : "the console is switched off");
		return;
	}
	reply_file(r, file);
	reply_header(r, "Content-Security-Policy", CONSOLE_POLICY);
	reply_header(r, "Referrer-Policy", "no-referrer");
	reply_header(r, "Cross-Origin-Resource-Policy", "same-origin");
}
