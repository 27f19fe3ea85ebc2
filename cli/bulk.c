#include "bulk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "progress.h"
#include "report.h"

/* A busy daemon is asked so often before the run is given up. */
#define TRIES_MAX 30

struct run {
	const struct cli *cli;
	struct client *client;
	struct report *report;
	struct progress bar;
	json_t *version; /* of the daemon, once it was asked */
	size_t enrolled, refused, failed, skipped;
};

bool bulk_refused(enum status st)
{
	return st == ST_NO_FACE || st == ST_SEVERAL_FACES ||
	       st == ST_FACE_TOO_SMALL || st == ST_LOW_QUALITY ||
	       st == ST_DUPLICATE_FACE;
}

/* Whether the fault is this picture's, so that the next may do better. */
static bool of_picture(enum status st, unsigned http)
{
	return bulk_refused(st) || http == 400 || http == 413 || http == 415 ||
	       http == 422 || http == 408;
}

/* Asks the daemon, again while it is busy. */
static enum status ask(struct run *r, const struct client_request *q,
		       struct client_reply *reply, struct errinfo *err)
{
	enum status st;

	for (int tries = 1;; tries++) {
		err_clear(err);
		st = client_send(r->client, q, reply, err);
		if (reply->http != 503 || tries == TRIES_MAX)
			return st;
		sleep(reply->retry_s ? reply->retry_s : 1);
	}
}

/* template_id: of what was made of the picture. */
static enum status send_one(struct run *r, const struct bulk_item *item,
			    const struct client_file *picture,
			    struct client_reply *reply, int64_t *template_id,
			    struct errinfo *err)
{
	const struct client_param params[] = { { "person_id", item->person },
					       { "name", item->name },
					       { "duplicate",
						 r->cli->duplicate },
					       { NULL, NULL } };
	const struct client_request q = { .method = "POST",
					  .path = "/enroll",
					  .params = params,
					  .pictures = picture,
					  .picture_count = 1 };
	enum status st = ask(r, &q, reply, err);

	*template_id = json_integer_value(json_object_get(
		json_array_get(json_object_get(reply->json, "enrolled"), 0),
		"template_id"));
	return st;
}

/* Learns which model the daemon uses, if that is not known yet. */
static enum status ask_version(struct run *r, struct errinfo *err)
{
	const struct client_request q = { .method = "GET", .path = "/version" };
	struct client_reply reply;
	enum status st = ST_OK;

	if (r->version == NULL) {
		st = ask(r, &q, &reply, err);
		r->version = reply.json;
	}
	return st;
}

/* Whether one of a person's templates is the one with the number, or any if
 * that is 0, and of the model in use. */
static bool of_use(const struct run *r, const json_t *templates,
		   int64_t template_id)
{
	const json_t *model = json_object_get(r->version, "model"), *row;
	size_t i;

	json_array_foreach(templates, i, row)
	{
		int64_t id = json_integer_value(
			json_object_get(row, "template_id"));

		if ((template_id == 0 || id == template_id) &&
		    json_equal(json_object_get(row, "model"), model))
			return true;
	}
	return false;
}

/* Whether the person still has what was made of the picture. */
static enum status look(struct run *r, const char *person, int64_t template_id,
			bool *there, struct errinfo *err)
{
	struct client_param params[] = { { "limit", "100" },
					 { "after", NULL },
					 { NULL, NULL } };
	const struct client_request q = { .method = "GET",
					  .path = "/people",
					  .id = person,
					  .of_id = "templates",
					  .params = params };
	struct client_reply reply = { 0 };
	char after[24];
	enum status st = ask_version(r, err);

	if (template_id > 1) {
		snprintf(after, sizeof(after), "%" PRId64, template_id - 1);
		params[1].value = after;
	}
	if (st == ST_OK)
		st = ask(r, &q, &reply, err);
	*there = of_use(r, json_object_get(reply.json, "templates"),
			template_id);
	json_decref(reply.json);
	if (st != ST_NO_SUCH_PERSON)
		return st;
	err_clear(err);
	return ST_OK;
}

/* Whether an earlier run enrolled the picture, and that is still of use. */
static enum status done_before(struct run *r, const char *person,
			       const char *path, bool *done,
			       struct errinfo *err)
{
	int64_t template_id;

	*done = false;
	return report_done(r->report, person, path, &template_id)
		       ? look(r, person, template_id, done, err)
		       : ST_OK;
}

/* Returns false when going on would be of no use; err says why. */
static bool enroll(struct run *r, const struct bulk_item *item,
		   struct errinfo *err)
{
	char *whole = realpath(item->picture, NULL);
	const char *path = whole ? whole : item->picture;
	int missing = errno; /* if there is no such file */
	struct client_file file = { NULL, 0 };
	struct client_reply reply = { 0 };
	int64_t template_id = 0;
	bool go_on, done;
	enum status st = done_before(r, item->person, path, &done, err);

	go_on = st == ST_OK;
	r->skipped += done;
	if (done || !go_on)
		goto done;
	st = whole ? client_read(whole, &file, err)
		   : err_set(err, ST_IO_ERROR, "%s", strerror(missing));
	if (st == ST_OK) {
		st = send_one(r, item, &file, &reply, &template_id, err);
		go_on = st == ST_OK || of_picture(st, reply.http);
	}
	if (!go_on)
		goto done;
	if (st == ST_OK)
		r->enrolled++;
	else if (bulk_refused(st))
		r->refused++;
	else
		r->failed++;
	if (st != ST_OK) {
		progress_clear(&r->bar);
		cli_fail(err, item->picture);
	}
	err_clear(err);
	go_on = report_write(r->report, item->person, path, st, template_id,
			     err) == ST_OK;
done:
	json_decref(reply.json);
	free(file.bytes);
	free(whole);
	return go_on;
}

static void summary(const struct run *r, size_t total)
{
	if (r->cli->json)
		cli_print_json(json_pack(
			"{s:I, s:I, s:I, s:I, s:I, s:o}", "pictures",
			(json_int_t)total, "enrolled", (json_int_t)r->enrolled,
			"refused", (json_int_t)r->refused, "failed",
			(json_int_t)r->failed, "done_before",
			(json_int_t)r->skipped, "report",
			cli_text(report_path(r->report))));
	else
		printf("enrolled %zu, refused %zu, failed %zu, done before "
		       "%zu, of %zu; see %s\n",
		       r->enrolled, r->refused, r->failed, r->skipped, total,
		       report_path(r->report));
}

int bulk_run(const struct cli *cli, struct errinfo *err)
{
	struct run r = { .cli = cli };
	struct bulk_plan plan = { NULL, 0, 0 };
	bool stopped = false;
	int code = EXIT_ERROR;
	enum status st;

	if (cli->from_folder != NULL)
		st = bulkplan_folder(&plan, cli->from_folder, err);
	else
		st = bulkplan_csv(&plan, cli->from_csv, err);
	if (st == ST_OK && plan.count == 0)
		st = err_set(err, ST_BAD_CONFIG, "there is no picture");
	if (st == ST_OK)
		st = client_open(cli, &r.client, err);
	if (st == ST_OK)
		st = report_open(&r.report, cli->report,
				 client_server(r.client), err);
	if (st != ST_OK) {
		cli_fail(err, NULL);
		goto done;
	}
	progress_begin(&r.bar, "enrolling", plan.count);
	for (size_t i = 0; i < plan.count && !stopped; i++) {
		stopped = !enroll(&r, &plan.items[i], err);
		progress_at(&r.bar, i + !stopped);
	}
	progress_end(&r.bar, r.enrolled + r.refused + r.failed + r.skipped);
	if (stopped)
		cli_fail(err, "stopped, run it again to go on");
	summary(&r, plan.count);
	if (!stopped && r.failed == 0)
		code = r.refused == 0 ? EXIT_MATCH : EXIT_NO_MATCH;
done:
	json_decref(r.version);
	report_close(r.report);
	client_close(r.client);
	bulk_free(&plan);
	return code;
}
