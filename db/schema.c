/* user_version is the number of migrations a file has had. A migration's text
 * is never changed once released: a new one is added below it. It runs in one
 * transaction together with the new user_version, so a crash leaves the file
 * at the old version or at the new one. The caller serialises use of conn.
 */
#include "schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* Ids of people and templates are AUTOINCREMENT so that a key held elsewhere
 * (the gallery in RAM, a client) never comes to mean someone else. */
static const char *const migrations[] = {
	"CREATE TABLE people("
	" key INTEGER PRIMARY KEY AUTOINCREMENT,"
	" id TEXT NOT NULL UNIQUE"
	"  CHECK(length(CAST(id AS BLOB)) BETWEEN 1 AND 64),"
	" name TEXT NOT NULL CHECK(length(CAST(name AS BLOB)) <= 128),"
	" created_ms INTEGER NOT NULL,"
	" updated_ms INTEGER NOT NULL) STRICT;"

	"CREATE TABLE templates("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" person_key INTEGER NOT NULL REFERENCES people(key) ON DELETE CASCADE,"
	" model_id TEXT NOT NULL"
	"  CHECK(length(CAST(model_id AS BLOB)) BETWEEN 1 AND 47),"
	" vector BLOB NOT NULL CHECK(length(vector) = 128),"
	" scale REAL NOT NULL CHECK(scale > 0 AND scale < 1e30),"
	" length REAL NOT NULL CHECK(length >= 0 AND length < 1e30),"
	" created_ms INTEGER NOT NULL) STRICT;"
	"CREATE INDEX templates_by_person ON templates(person_key);"

	"CREATE TABLE match_log("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" at_ms INTEGER NOT NULL,"
	" route TEXT NOT NULL CHECK(route IN ('verify', 'identify')),"
	" person_id TEXT NOT NULL,"
	" door_id TEXT NOT NULL,"
	" decision TEXT NOT NULL"
	"  CHECK(decision IN ('allow', 'deny', 'unsure')),"
	" reason TEXT NOT NULL,"
	" score REAL,"
	" threshold REAL,"
	" model_id TEXT NOT NULL,"
	" request_id TEXT NOT NULL,"
	" total_us INTEGER NOT NULL,"
	" pool_peak_bytes INTEGER NOT NULL) STRICT;"
	/* Every index ends with the row id, which is the cursor. Rows without
	 * a person or a door stay out of those indexes: fewer page writes. */
	"CREATE INDEX log_by_person ON match_log(person_id)"
	" WHERE person_id <> '';"
	"CREATE INDEX log_by_door ON match_log(door_id) WHERE door_id <> '';"
	"CREATE INDEX log_by_decision ON match_log(decision);"
	"CREATE INDEX log_by_time ON match_log(at_ms);",

	/* 2: what is known of people, where templates come from, doors */
	"ALTER TABLE people ADD COLUMN groups TEXT NOT NULL DEFAULT ''"
	" CHECK(length(CAST(groups AS BLOB)) < 264);"
	"ALTER TABLE people ADD COLUMN valid_from_ms INTEGER NOT NULL"
	" DEFAULT 0;"
	"ALTER TABLE people ADD COLUMN valid_until_ms INTEGER NOT NULL"
	" DEFAULT 0;"
	"ALTER TABLE people ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}'"
	" CHECK(length(CAST(metadata AS BLOB)) <= 512);"
	"ALTER TABLE people ADD COLUMN card_facility INTEGER NOT NULL"
	" DEFAULT -1;"
	"ALTER TABLE people ADD COLUMN card_number INTEGER NOT NULL"
	" DEFAULT -1;"
	"ALTER TABLE templates ADD COLUMN quality REAL;"
	"ALTER TABLE templates ADD COLUMN key_id TEXT NOT NULL DEFAULT '';"
	"CREATE TABLE doors("
	" id TEXT PRIMARY KEY"
	"  CHECK(length(CAST(id AS BLOB)) BETWEEN 1 AND 64),"
	" target_fmr REAL,"
	" min_score REAL,"
	" groups TEXT NOT NULL CHECK(length(CAST(groups AS BLOB)) < 264),"
	" windows TEXT NOT NULL"
	"  CHECK(length(CAST(windows AS BLOB)) <= 1024),"
	" timezone TEXT NOT NULL,"
	" credential TEXT NOT NULL,"
	" updated_ms INTEGER NOT NULL) STRICT;",

	/* 3: encrypted rows. The tables are made anew: their old pages are
	 * freed, and freed pages are zeroed. Templates go first, so that
	 * dropping the people does not cascade. */
	"CREATE TABLE seal("
	" version INTEGER PRIMARY KEY,"
	" proof BLOB NOT NULL) STRICT;"
	"INSERT INTO seal VALUES(seal_version(), seal_proof());"
	"CREATE TABLE people_sealed("
	" key INTEGER PRIMARY KEY AUTOINCREMENT,"
	" id TEXT NOT NULL UNIQUE"
	"  CHECK(length(CAST(id AS BLOB)) BETWEEN 1 AND 64),"
	" created_ms INTEGER NOT NULL,"
	" updated_ms INTEGER NOT NULL,"
	" groups TEXT NOT NULL CHECK(length(CAST(groups AS BLOB)) < 264),"
	" valid_from_ms INTEGER NOT NULL,"
	" valid_until_ms INTEGER NOT NULL,"
	" key_version INTEGER NOT NULL,"
	" sealed BLOB NOT NULL CHECK(length(sealed) BETWEEN 58 AND 698))"
	" STRICT;"
	"INSERT INTO people_sealed SELECT key, id, created_ms, updated_ms,"
	" groups, valid_from_ms, valid_until_ms, seal_version(),"
	" seal_person(key, id, groups, valid_from_ms, valid_until_ms, name,"
	" metadata, card_facility, card_number) FROM people ORDER BY key;"
	"CREATE TABLE templates_sealed("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" person_key INTEGER NOT NULL"
	"  REFERENCES people_sealed(key) ON DELETE CASCADE,"
	" model_id TEXT NOT NULL"
	"  CHECK(length(CAST(model_id AS BLOB)) BETWEEN 1 AND 47),"
	" created_ms INTEGER NOT NULL,"
	" quality REAL,"
	" key_id TEXT NOT NULL,"
	" key_version INTEGER NOT NULL,"
	" sealed BLOB NOT NULL CHECK(length(sealed) = 176)) STRICT;"
	"INSERT INTO templates_sealed SELECT id, person_key, model_id,"
	" created_ms, quality, key_id, seal_version(),"
	" seal_template(person_key, id, model_id, vector, scale, length)"
	" FROM templates ORDER BY id;"
	/* Numbers of rows deleted since stay used. */
	"DELETE FROM sqlite_sequence WHERE name IN"
	" ('people_sealed', 'templates_sealed');"
	"INSERT INTO sqlite_sequence(name, seq) SELECT name || '_sealed', seq"
	" FROM sqlite_sequence WHERE name IN ('people', 'templates');"
	"DROP TABLE templates;"
	"DROP TABLE people;"
	"ALTER TABLE people_sealed RENAME TO people;"
	"ALTER TABLE templates_sealed RENAME TO templates;"
	"CREATE INDEX templates_by_person ON templates(person_key);",

	/* 4: how far each receiver of decisions has come in the match log */
	"CREATE TABLE sinks("
	" name TEXT PRIMARY KEY,"
	" log_id INTEGER NOT NULL) STRICT;",

	/* 5: the audit log, its two ends, and the API keys that it knows. A
	 * person's templates of one model are counted without their pages,
	 * which may be damaged. */
	"CREATE TABLE audit("
	" seq INTEGER PRIMARY KEY,"
	" at_ms INTEGER NOT NULL,"
	" key_id TEXT NOT NULL,"
	" action TEXT NOT NULL,"
	" person_key INTEGER NOT NULL,"
	" object TEXT NOT NULL CHECK(length(CAST(object AS BLOB)) <= 127),"
	" hash BLOB NOT NULL CHECK(length(hash) = 32)) STRICT;"
	"CREATE TABLE audit_chain("
	" one INTEGER PRIMARY KEY CHECK(one = 1),"
	" key_version INTEGER NOT NULL,"
	" sealed BLOB NOT NULL) STRICT;"
	"INSERT INTO audit_chain VALUES(1, seal_version(), seal_chain());"
	"CREATE TABLE audit_keys("
	" id TEXT PRIMARY KEY,"
	" role TEXT NOT NULL) STRICT;"
	"DROP INDEX templates_by_person;"
	"CREATE INDEX templates_by_person ON templates(person_key, model_id);",

	/* 6: the crops that templates were made from. Those of several models
	 * may be made from one. */
	"CREATE TABLE crops("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" person_key INTEGER NOT NULL REFERENCES people(key) ON DELETE CASCADE,"
	" key_version INTEGER NOT NULL,"
	" sealed BLOB NOT NULL CHECK(length(sealed) = 37672)) STRICT;"
	"CREATE INDEX crops_by_person ON crops(person_key);"
	"ALTER TABLE templates ADD COLUMN crop_id INTEGER"
	" REFERENCES crops(id) ON DELETE SET NULL;"
	"CREATE INDEX templates_by_crop ON templates(crop_id, model_id)"
	" WHERE crop_id IS NOT NULL;",
};

#define NEWEST ((int64_t)(sizeof migrations / sizeof migrations[0]))

bool db_schema_known(int64_t version)
{
	return version >= 1 && version <= NEWEST;
}

enum status db_exec(sqlite3 *conn, const char *sql, const char *what,
		    struct errinfo *err)
{
	int rc = sqlite3_exec(conn, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? ST_OK : db_fail(conn, rc, what, err);
}

enum status db_schema_number(sqlite3 *conn, const char *sql, int64_t *out,
			     struct errinfo *err)
{
	enum status st = ST_OK;
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(conn, sql, -1, &s, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(s, 0);
	else
		st = db_fail(conn, rc, "Reading the database header", err);
	sqlite3_finalize(s);
	return st;
}

/* An empty file is new: either never written, or its first start died before
 * the first migration was committed. */
static enum status check_identity(sqlite3 *conn, int64_t app, int64_t version,
				  struct errinfo *err)
{
	int64_t objects = 0;
	enum status st;

	if (app == 0 && version == 0) {
		st = db_schema_number(conn,
				      "SELECT count(*) FROM sqlite_schema",
				      &objects, err);
		if (st != ST_OK || objects == 0)
			return st;
	}
	if (app != DB_APPLICATION_ID)
		return err_set(err, ST_BAD_DATABASE,
			       "The database file belongs to another program.");
	if (version > NEWEST)
		return err_limit(err, ST_BAD_DATABASE, NEWEST, version,
				 "The database was written by a newer version "
				 "of this program.");
	if (version < 1)
		return err_set(err, ST_BAD_DATABASE,
			       "The database has no schema version.");
	return ST_OK;
}

enum status db_schema_check(sqlite3 *conn, struct errinfo *err)
{
	int64_t app = 0, version = 0, page_bytes = 0, vacuum = 0;
	enum status st;

	st = db_schema_number(conn, "PRAGMA application_id", &app, err);
	if (st == ST_OK)
		st = db_schema_number(conn, "PRAGMA user_version", &version,
				      err);
	if (st == ST_OK)
		st = db_schema_number(conn, "PRAGMA page_size", &page_bytes,
				      err);
	if (st == ST_OK)
		st = db_schema_number(conn, "PRAGMA auto_vacuum", &vacuum, err);
	if (st == ST_OK)
		st = check_identity(conn, app, version, err);
	if (st == ST_OK && (page_bytes != DB_PAGE_BYTES || vacuum != 0))
		st = err_set(err, ST_BAD_DATABASE,
			     "The database has a page layout this program "
			     "does not make.");
	return st;
}

static enum status migrate_one(sqlite3 *conn, int64_t to, struct errinfo *err)
{
	char mark[128];
	enum status st;
	int rc;

	(void)snprintf(mark, sizeof mark,
		       "PRAGMA application_id = %d;"
		       "PRAGMA user_version = %" PRId64 ";COMMIT",
		       DB_APPLICATION_ID, to);
	st = db_exec(conn, "BEGIN IMMEDIATE", "Upgrading the database", err);
	if (st != ST_OK)
		return st;
	rc = sqlite3_exec(conn, migrations[to - 1], NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		st = db_fail_to_open(conn, rc, "Upgrading the database", err);
	if (st == ST_OK)
		st = db_exec(conn, mark, "Upgrading the database", err);
	if (st != ST_OK && !sqlite3_get_autocommit(conn))
		(void)sqlite3_exec(conn, "ROLLBACK", NULL, NULL, NULL);
	return st;
}

enum status db_schema_migrate(sqlite3 *conn, struct errinfo *err)
{
	int64_t version = 0;
	enum status st = db_schema_number(conn, "PRAGMA user_version", &version,
					  err);

	while (st == ST_OK && version < NEWEST)
		st = migrate_one(conn, ++version, err);
	return st;
}

enum status db_schema_check_newest(sqlite3 *conn, struct errinfo *err)
{
	int64_t version = 0;
	enum status st = db_schema_number(conn, "PRAGMA user_version", &version,
					  err);

	if (st == ST_OK && version != NEWEST)
		st = err_limit(err, ST_BAD_DATABASE, NEWEST, version,
			       "The database is of an older version: the "
			       "daemon upgrades it when it starts.");
	return st;
}

static enum status check_once(sqlite3 *conn, const char *sql,
			      struct errinfo *err)
{
	enum status st = ST_OK;
	sqlite3_stmt *s = NULL;
	const char *verdict;
	int rc;

	rc = sqlite3_prepare_v2(conn, sql, -1, &s, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ERROR) {
		/* Our own SQL is right, so the tables' must be wrong. */
		st = err_set(err, ST_BAD_DATABASE,
			     "The database file is damaged.");
	} else if (rc != SQLITE_ROW) {
		st = db_fail(conn, rc, "Checking the database", err);
	} else {
		verdict = (const char *)sqlite3_column_text(s, 0);
		if (!verdict)
			st = err_set(err, ST_NO_MEMORY,
				     "No memory to check the database.");
		else if (strcmp(verdict, "ok") != 0)
			st = err_set(err, ST_BAD_DATABASE,
				     "The database file is damaged.");
	}
	sqlite3_finalize(s);
	return st;
}

/* A read that fails once is in the verdict like damage. Damage is found again.
 */
static enum status run_check(sqlite3 *conn, const char *sql,
			     struct errinfo *err)
{
	struct errinfo first;
	enum status st;

	err_clear(&first);
	st = check_once(conn, sql, &first);
	if (st == ST_BAD_DATABASE)
		return check_once(conn, sql, err);
	return st == ST_OK ? ST_OK : err_set(err, st, "%s", first.text);
}

enum status db_schema_quick_check(sqlite3 *conn, struct errinfo *err)
{
	return run_check(conn, "PRAGMA quick_check(1)", err);
}

enum status db_schema_full_check(sqlite3 *conn, struct errinfo *err)
{
	return run_check(conn, "PRAGMA integrity_check(1)", err);
}
