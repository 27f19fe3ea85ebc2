#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "engine_setup.h"

#define ENROLLED "enrolled"

struct report {
	const char *path, *server;
	FILE *file;
	json_t *done; /* an object: template ids by key_of */
};

/* Neither a server's address has a space nor a person's id a slash, so no two
 * share a key. */
static char *key_of(const char *server, const json_t *person,
		    const json_t *picture)
{
	char *key = NULL;

	return asprintf(&key, "%s %s/%s", server, json_string_value(person),
			json_string_value(picture)) < 0
		       ? NULL
		       : key;
}

/* A line that is cut, as by a power failure, is passed over. */
static void read_line(struct report *r, const char *line)
{
	json_t *o = json_loads(line, 0, NULL);
	const char *result = json_string_value(json_object_get(o, "result"));
	const json_t *person = json_object_get(o, "person_id");
	const json_t *picture = json_object_get(o, "picture");
	const char *server = json_string_value(json_object_get(o, "server"));
	const json_t *made = json_object_get(o, "template_id");
	char *key = NULL;

	if (json_is_string(person) && json_is_string(picture) &&
	    result != NULL && strcmp(result, ENROLLED) == 0)
		key = key_of(server ? server : "", person, picture);
	if (key != NULL)
		json_object_set_new(r->done, key,
				    json_integer(json_integer_value(made)));
	free(key);
	json_decref(o);
}

enum status report_open(struct report **out, const char *path,
			const char *server, struct errinfo *err)
{
	struct report *r = calloc(1, sizeof(*r));
	size_t room = 0;
	ssize_t n;
	char *line = NULL, last = '\n';

	*out = r;
	if (r == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for the report");
	r->path = path ? path : REPORT_DEFAULT;
	r->server = server;
	r->done = json_object();
	r->file = fopen(r->path, "a+e");
	if (r->done == NULL || r->file == NULL)
		return err_set(err, ST_IO_ERROR, "%.100s: %s", r->path,
			       strerror(errno));
	rewind(r->file);
	while ((n = getline(&line, &room, r->file)) > 0) {
		last = line[n - 1];
		read_line(r, line);
	}
	free(line);
	if (ferror(r->file) || fseek(r->file, 0, SEEK_END) != 0 ||
	    (last != '\n' && fputc('\n', r->file) == EOF))
		return err_set(err, ST_IO_ERROR, "%.100s: %s", r->path,
			       strerror(errno));
	return ST_OK;
}

void report_close(struct report *r)
{
	if (r == NULL)
		return;
	if (r->file != NULL)
		fclose(r->file);
	json_decref(r->done);
	free(r);
}

const char *report_path(const struct report *r)
{
	return r->path;
}

bool report_done(const struct report *r, const char *person,
		 const char *picture, int64_t *template_id)
{
	/* As the report has them: what is not UTF-8 is not kept. */
	json_t *p = cli_text(person), *q = cli_text(picture);
	const char *servers[] = { r->server, "" };
	json_t *made = NULL;

	for (int i = 0; i < 2 && made == NULL; i++) {
		char *key = key_of(servers[i], p, q);

		made = key ? json_object_get(r->done, key) : NULL;
		free(key);
	}
	json_decref(p);
	json_decref(q);
	*template_id = json_integer_value(made);
	return made != NULL;
}

enum status report_write(struct report *r, const char *person,
			 const char *picture, enum status result,
			 int64_t template_id, struct errinfo *err)
{
	char at[CLI_TIME_MAX];
	json_t *line;
	bool ok;

	cli_time(srv_wall_ms(), at);
	line = json_pack(
		"{s:o, s:o, s:s, s:o, s:s, s:s}", "person_id", cli_text(person),
		"picture", cli_text(picture), "result",
		result == ST_OK ? ENROLLED : status_code(result), "template_id",
		template_id ? json_integer(template_id) : json_null(), "server",
		r->server, "at", at);
	ok = line != NULL && json_dumpf(line, r->file, JSON_COMPACT) == 0;

	ok = ok && fputc('\n', r->file) != EOF && fflush(r->file) == 0;
	json_decref(line);
	return ok ? ST_OK
		  : err_set(err, ST_IO_ERROR, "%.100s: cannot be written",
			    r->path);
}
