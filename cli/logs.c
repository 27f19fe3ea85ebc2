/* facegate logs: the match log of a daemon, as text, JSON or CSV, once or as
 * it grows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define PAGE_MAX    200 /* of GET /logs */
#define ROWS	    20	/* unless --limit says otherwise */
#define NUMBER_MAX  24
#define POLL_S	    1
#define FILTERS_MAX 12

/* The filters of the command line, and what pages are asked by. */
struct query {
	struct client *client;
	const struct cli *cli;
	char limit[NUMBER_MAX], cursor[NUMBER_MAX];
};

/* Fills params; the cursor's name is before, after or NULL. */
static void fill(struct query *q, const char *cursor,
		 struct client_param params[FILTERS_MAX])
{
	const struct cli *cli = q->cli;
	const struct client_param all[] = {
		{ "person_id", cli->person },
		{ "door_id", cli->door },
		{ "decision", cli->decision },
		{ "reason", cli->reason },
		{ "from", cli->from },
		{ "to", cli->to },
		{ "min_score", cli->min_score },
		{ "limit", q->limit[0] ? q->limit : NULL },
		{ cursor, q->cursor },
		{ NULL, NULL },
	};

	memcpy(params, all, sizeof(all));
}

/* One page of rows, which the caller frees. next is 0 at the end. */
static enum status page(struct query *q, const char *cursor, size_t limit,
			json_int_t at, json_t **out, struct errinfo *err)
{
	struct client_param params[FILTERS_MAX];
	const struct client_request ask = { .method = "GET",
					    .path = "/logs",
					    .params = params };
	struct client_reply reply;
	enum status st;

	snprintf(q->limit, sizeof(q->limit), "%zu", limit);
	snprintf(q->cursor, sizeof(q->cursor), "%" JSON_INTEGER_FORMAT, at);
	fill(q, cursor, params);
	st = client_send(q->client, &ask, &reply, err);
	*out = reply.json;
	if (st == ST_OK && !json_is_array(json_object_get(*out, "logs")))
		st = err_set(err, ST_IO_ERROR, "the answer has no rows");
	return st;
}

static const char *word(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text && *text ? text : "-";
}

static void print_row(const struct cli *cli, const json_t *row)
{
	const json_t *score = json_object_get(row, "score");

	if (cli->json) {
		json_dumpf(row, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
		putchar('\n');
		return;
	}
	printf("%s  %-6s  %-16s  %-8s  %s  %s", word(row, "at"),
	       word(row, "decision"), word(row, "reason"), word(row, "route"),
	       word(row, "person_id"), word(row, "door_id"));
	if (json_is_number(score))
		printf("  %.4f", json_number_value(score));
	putchar('\n');
}

/* The newest rows, by as many pages as it takes; oldest first when turned. */
static enum status newest(struct query *q, json_int_t before, size_t limit,
			  json_t *rows, struct errinfo *err)
{
	enum status st = ST_OK;

	while (st == ST_OK && limit > 0) {
		size_t n = limit < PAGE_MAX ? limit : PAGE_MAX;
		json_t *o = NULL;

		st = page(q, before > 0 ? "before" : NULL, n, before, &o, err);
		if (st == ST_OK) {
			json_t *list = json_object_get(o, "logs");

			json_array_extend(rows, list);
			limit -= json_array_size(list);
			before = json_integer_value(json_object_get(o, "next"));
			if (before == 0)
				limit = 0;
		}
		json_decref(o);
	}
	return st;
}

static enum status show(struct query *q, struct errinfo *err)
{
	size_t limit = q->cli->limit ? q->cli->limit : ROWS, i;
	json_t *rows = json_array(), *row;
	enum status st = newest(q, 0, limit, rows, err);

	if (st != ST_OK) {
		json_decref(rows);
	} else if (q->cli->json) {
		cli_print_json(json_pack("{s:o}", "logs", rows));
	} else {
		json_array_foreach(rows, i, row) print_row(q->cli, row);
		json_decref(rows);
	}
	return st;
}

static enum status export(struct query *q, struct errinfo *err) {
	struct client_param params[FILTERS_MAX];
	const struct client_request ask = { .method = "GET",
					    .path = "/logs",
					    .params = params,
					    .stream = stdout,
					    .accept = "text/csv" };
	struct client_reply reply;

	/* Everything, unless told otherwise. */
	if (q->cli->limit > 0)
		snprintf(q->limit, sizeof(q->limit), "%u", q->cli->limit);
	fill(q, NULL, params);
	return client_send(q->client, &ask, &reply, err);
}

/* The rows after one, for as long as there are any. Returns the last. */
static enum status catch_up(struct query *q, json_int_t *after,
			    struct errinfo *err)
{
	enum status st = ST_OK;
	size_t n = PAGE_MAX, i;
	const json_t *row;

	while (st == ST_OK && n == PAGE_MAX) {
		json_t *o = NULL;

		st = page(q, "after", PAGE_MAX, *after, &o, err);
		n = 0;
		if (st == ST_OK) {
			const json_t *list = json_object_get(o, "logs");

			n = json_array_size(list);
			json_array_foreach(list, i, row)
			{
				print_row(q->cli, row);
				*after = json_integer_value(
					json_object_get(row, "log_id"));
			}
		}
		json_decref(o);
	}
	return st;
}

/* The newest row of all, whatever the filters say; 0 for an empty log. */
static enum status last_row(struct query *q, json_int_t *id,
			    struct errinfo *err)
{
	const struct client_param params[] = { { "limit", "1" },
					       { NULL, NULL } };
	const struct client_request ask = { .method = "GET",
					    .path = "/logs",
					    .params = params };
	struct client_reply reply;
	enum status st = client_send(q->client, &ask, &reply, err);

	*id = 0;
	if (st == ST_OK)
		(void)json_unpack(reply.json, "{s:[{s:I}]}", "logs", "log_id",
				  id);
	json_decref(reply.json);
	return st;
}

/* The last rows, then what comes, until it is stopped. A daemon that goes away
 * is waited for, once it has been there. */
static enum status follow(struct query *q, struct errinfo *err)
{
	size_t limit = q->cli->limit ? q->cli->limit : ROWS;
	json_t *rows = json_array();
	json_int_t after;
	bool away = false;
	enum status st = last_row(q, &after, err);

	if (st == ST_OK && after > 0)
		st = newest(q, after + 1, limit, rows, err);
	for (size_t i = json_array_size(rows); st == ST_OK && i > 0; i--)
		print_row(q->cli, json_array_get(rows, i - 1));
	json_decref(rows);
	while (st == ST_OK) {
		if (fflush(stdout) != 0)
			return err_set(err, ST_IO_ERROR,
				       "cannot write the output");
		sleep(POLL_S);
		st = catch_up(q, &after, err);
		if (st == ST_IO_ERROR || st == ST_NOT_READY || st == ST_BUSY ||
		    st == ST_DATABASE_BUSY) {
			if (!away)
				cli_fail(err, "waiting");
			err_clear(err);
			away = true;
			st = ST_OK;
		} else {
			away = false;
		}
	}
	return st;
}

int cli_logs(const struct cli *cli)
{
	struct query q = { .cli = cli };
	struct errinfo err;
	enum status st;

	err_clear(&err);
	if (cli->csv && (cli->json || cli->follow))
		st = err_set(&err, ST_BAD_CONFIG,
			     "--csv goes with neither --json nor --follow");
	else
		st = client_open(cli, &q.client, &err);
	if (st == ST_OK)
		st = cli->csv	   ? export(&q, &err)
		     : cli->follow ? follow(&q, &err)
				   : show(&q, &err);
	client_close(q.client);
	return st == ST_OK ? EXIT_MATCH : cli_fail(&err, NULL);
}
