#include "bulk.h"

#include <errno.h>
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

/* Sends one picture, again while the daemon is busy. */
static enum status send_one(struct run *r, const struct bulk_item *item,
			    const struct client_file *picture,
			    struct client_reply *reply, struct errinfo *err)
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
	enum status st;

	for (int tries = 1;; tries++) {
		err_clear(err);
		st = client_send(r->client, &q, reply, err);
		if (reply->http != 503 || tries == TRIES_MAX)
			return st;
		sleep(reply->retry_s ? reply->retry_s : 1);
	}
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
	bool go_on = true;
	enum status st;

	if (report_done(r->report, item->person, path)) {
		r->skipped++;
		goto done;
	}
	st = whole ? client_read(whole, &file, err)
		   : err_set(err, ST_IO_ERROR, "%s", strerror(missing));
	if (st == ST_OK) {
		st = send_one(r, item, &file, &reply, err);
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
	go_on = report_write(r->report, item->person, path, st, err) == ST_OK;
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
		st = report_open(&r.report, cli->report, err);
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
	report_close(r.report);
	client_close(r.client);
	bulk_free(&plan);
	return code;
}
