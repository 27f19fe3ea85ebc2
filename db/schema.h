/* The tables, as numbered migrations. */
#ifndef FACEGATE_DB_SCHEMA_H
#define FACEGATE_DB_SCHEMA_H

#include <sqlite3.h>
#include <stdbool.h>

#include "status.h"

#define DB_APPLICATION_ID 0x46674442 /* "FgDB" */

/* Refuses what is not ours: a foreign application_id, a newer version, other
 * page sizes, auto_vacuum. Only reads. */
enum status db_schema_check(sqlite3 *conn, struct errinfo *err) MUST_CHECK;
/* Whether this program knows a schema version. */
bool db_schema_known(int64_t version);
/* Runs the migrations that the file lacks, each in its own transaction. */
enum status db_schema_migrate(sqlite3 *conn, struct errinfo *err) MUST_CHECK;
/* Refuses a file that lacks migrations. */
enum status db_schema_check_newest(sqlite3 *conn,
				   struct errinfo *err) MUST_CHECK;
/* The number that a statement gives. */
enum status db_schema_number(sqlite3 *conn, const char *sql, int64_t *out,
			     struct errinfo *err) MUST_CHECK;
/* PRAGMA quick_check: every page, every row. And integrity_check: also that
 * tables and indexes agree. */
enum status db_schema_quick_check(sqlite3 *conn,
				  struct errinfo *err) MUST_CHECK;
enum status db_schema_full_check(sqlite3 *conn, struct errinfo *err) MUST_CHECK;
/* Runs one or more statements and drops their rows. */
enum status db_exec(sqlite3 *conn, const char *sql, const char *what,
		    struct errinfo *err) MUST_CHECK;

#endif
