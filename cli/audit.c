/* facegate audit: follows the chain of the audit log, and shows it, beside a
 * daemon that has the store or without one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "cli.h"
#include "store_setup.h"

#define PAGE_ROWS 200

static enum status open_store(const struct cli *cli, struct db **db,
			      struct errinfo *err)
{
	struct srv_store_paths paths;
	struct db_options opt;

	srv_store_options(&cli->cfg, &paths, &opt);
	return db_open_readonly(&opt, db, err);
}

static void to_hex(const uint8_t hash[DB_AUDIT_HASH_BYTES],
		   char out[2 * DB_AUDIT_HASH_BYTES + 1])
{
	for (size_t i = 0; i < DB_AUDIT_HASH_BYTES; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

/* SEQ:HASH, as verify prints it. */
static enum status read_anchor(const char *text, struct db_audit_anchor *a,
			       struct errinfo *err)
{
	int end = 0, n = 0;

	if (*text >= '0' && *text <= '9' &&
	    sscanf(text, "%18" SCNd64 ":%n", &a->seq, &end) == 1 && end > 0)
		for (text += end; n < DB_AUDIT_HASH_BYTES; n++, text += 2)
			if (strspn(text, "0123456789abcdef") < 2 ||
			    sscanf(text, "%2" SCNx8, &a->hash[n]) != 1)
				break;
	if (n < DB_AUDIT_HASH_BYTES || *text != '\0')
		return err_set(err, ST_BAD_CONFIG,
			       "--anchor is not SEQ:HASH as audit verify "
			       "prints it");
	return ST_OK;
}

static void print_report(const struct cli *cli, const struct db_audit_report *r)
{
	char hash[2 * DB_AUDIT_HASH_BYTES + 1];
	int64_t rows = r->last - r->first + 1;

	to_hex(r->head.hash, hash);
	if (cli->json) {
		cli_print_json(json_pack(
			"{s:b, s:o, s:s, s:I, s:I, s:{s:I, s:s}}", "whole",
			r->broken_at == 0, "broken_at",
			r->broken_at ? json_integer(r->broken_at) : json_null(),
			"reason", r->why ? r->why : "", "first",
			(json_int_t)r->first, "last", (json_int_t)r->last,
			"head", "seq", (json_int_t)r->head.seq, "hash", hash));
		return;
	}
	if (r->broken_at != 0)
		printf("broken at %" PRId64 ": %s\n", r->broken_at, r->why);
	else
		printf("whole: %" PRId64 " rows, %" PRId64 " to %" PRId64 "\n",
		       rows, r->first, r->last);
	printf("anchor %" PRId64 ":%s\n", r->head.seq, hash);
}

static enum status verify(const struct cli *cli, bool *whole,
			  struct errinfo *err)
{
	struct db_audit_anchor anchor = { .seq = 0 };
	struct db_audit_report report;
	struct db *db = NULL;
	enum status st = ST_OK;

	if (cli->anchor != NULL)
		st = read_anchor(cli->anchor, &anchor, err);
	if (st == ST_OK)
		st = open_store(cli, &db, err);
	if (st == ST_OK)
		st = db_audit_verify(db, cli->anchor ? &anchor : NULL, &report,
				     err);
	db_close(db);
	if (st != ST_OK)
		return st;
	*whole = report.broken_at == 0;
	print_report(cli, &report);
	return ST_OK;
}

static void print_row(const struct db_audit_row *row)
{
	char at[CLI_TIME_MAX], person[24] = "";

	cli_time(row->at_ms, at);
	if (row->person_key != 0 && row->person_id[0] == '\0')
		(void)snprintf(person, sizeof(person), "#%" PRId64,
			       row->person_key);
	printf("%6" PRId64 "  %s  %-8s  %-15s  %s%s%s\n", row->seq, at,
	       row->key_id[0] ? row->key_id : "-", row->action,
	       person[0] ? person : row->person_id,
	       row->person_key && row->object[0] ? " " : "", row->object);
}

static json_t *row_json(const struct db_audit_row *row)
{
	char hash[2 * DB_AUDIT_HASH_BYTES + 1], at[CLI_TIME_MAX];

	to_hex(row->hash, hash);
	cli_time(row->at_ms, at);
	return json_pack("{s:I, s:s, s:s, s:s, s:I, s:s, s:s, s:s}", "seq",
			 (json_int_t)row->seq, "at", at, "key_id", row->key_id,
			 "action", row->action, "person_no",
			 (json_int_t)row->person_key, "person_id",
			 row->person_id, "object", row->object, "hash", hash);
}

static enum status list(const struct cli *cli, struct errinfo *err)
{
	struct db_audit_row *page = calloc(PAGE_ROWS, sizeof(*page));
	size_t left = cli->limit ? cli->limit : SIZE_MAX, n = PAGE_ROWS;
	json_t *array = json_array();
	struct db *db = NULL;
	int64_t before = 0;
	enum status st = page ? open_store(cli, &db, err)
			      : err_set(err, ST_NO_MEMORY,
					"no memory for the rows");

	while (st == ST_OK && left > 0 && n == PAGE_ROWS) {
		st = db_audit_list(db, before, page,
				   left < PAGE_ROWS ? left : PAGE_ROWS, &n,
				   err);
		for (size_t i = 0; st == ST_OK && i < n; i++) {
			before = page[i].seq;
			if (cli->json)
				json_array_append_new(array,
						      row_json(&page[i]));
			else
				print_row(&page[i]);
		}
		left -= n;
	}
	if (st == ST_OK && cli->json)
		cli_print_json(json_pack("{s:O}", "audit", array));
	json_decref(array);
	db_close(db);
	free(page);
	return st;
}

int cli_audit(const struct cli *cli)
{
	const char *what = cli->args[0];
	struct errinfo err;
	bool whole = true;
	enum status st;

	err_clear(&err);
	if (strcmp(what, "verify") == 0)
		st = verify(cli, &whole, &err);
	else if (strcmp(what, "list") == 0)
		st = list(cli, &err);
	else
		st = err_set(&err, ST_BAD_CONFIG, "audit verify or audit list");
	if (st != ST_OK)
		return cli_fail(&err, NULL);
	return whole ? EXIT_MATCH : EXIT_NO_MATCH;
}
