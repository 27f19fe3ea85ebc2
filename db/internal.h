/* What the files of db/ share and nobody else may include: the handle, the
 * prepared statements and the helpers around SQLite's result codes.
 *
 * Lock order: write_lock before read_lock. A function that takes a statement
 * of a connection holds that connection's lock; db_write_begin takes the
 * write lock and db_write_end gives it back.
 */
#ifndef FACEGATE_DB_INTERNAL_H
#define FACEGATE_DB_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "db.h"

/* SQLite's default. The page cache slots and the page cleaner rely on it, so
 * a file with another page size is refused. */
#define DB_PAGE_BYTES 4096

#define DB_PERSON_COLUMNS                                                      \
	"SELECT p.key, p.id, p.name, p.created_ms, p.updated_ms, "             \
	"(SELECT count(*) FROM templates t WHERE t.person_key = p.key), "      \
	"p.groups, p.valid_from_ms, p.valid_until_ms, p.metadata, "            \
	"p.card_facility, p.card_number FROM people p "

#define DB_DOOR_COLUMNS                                                        \
	"SELECT id, target_fmr, min_score, groups, windows, timezone, "        \
	"credential, updated_ms FROM doors "

#define DB_TEMPLATE_ROW                                                        \
	"SELECT person_key, id, vector, scale, length FROM templates "

#define DB_LOG_COLUMNS                                                         \
	"SELECT id, at_ms, route, person_id, door_id, decision, reason, "      \
	"score, threshold, model_id, request_id, total_us, pool_peak_bytes "   \
	"FROM match_log "

/* X(NAME, connection, SQL): prepared at open, finalised at close. */
#define DB_STATEMENTS(X)                                                       \
	X(BEGIN, writer, "BEGIN IMMEDIATE")                                    \
	X(COMMIT, writer, "COMMIT")                                            \
	X(ROLLBACK, writer, "ROLLBACK")                                        \
	X(PERSON_KEY, writer, "SELECT key FROM people WHERE id = ?1")          \
	X(PERSON_ADD, writer,                                                  \
	  "INSERT INTO people(id, name, created_ms, updated_ms) "              \
	  "VALUES(?1, coalesce(?2, ''), ?3, ?3)")                              \
	X(PERSON_TOUCH, writer,                                                \
	  "UPDATE people SET name = coalesce(?2, name), updated_ms = ?3 "      \
	  "WHERE key = ?1")                                                    \
	X(PEOPLE_COUNT, writer, "SELECT count(*) FROM people")                 \
	X(PERSON_SET, writer,                                                  \
	  "UPDATE people SET name = ?2, updated_ms = ?3, groups = ?4, "        \
	  "valid_from_ms = ?5, valid_until_ms = ?6, metadata = ?7, "           \
	  "card_facility = ?8, card_number = ?9 WHERE key = ?1")               \
	X(PERSON_DELETE, writer, "DELETE FROM people WHERE key = ?1")          \
	X(TEMPLATE_ADD, writer,                                                \
	  "INSERT INTO templates(person_key, model_id, vector, scale, "        \
	  "length, created_ms, quality, key_id) "                              \
	  "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(?8, ''))")              \
	X(TEMPLATE_DELETE, writer,                                             \
	  "DELETE FROM templates WHERE id = ?1 AND person_key = ?2")           \
	X(TEMPLATES_DELETE, writer,                                            \
	  "DELETE FROM templates WHERE person_key = ?1")                       \
	X(DOORS_COUNT, writer,                                                 \
	  "SELECT count(*), (SELECT count(*) FROM doors WHERE id = ?1) "       \
	  "FROM doors")                                                        \
	X(DOOR_PUT, writer,                                                    \
	  "INSERT OR REPLACE INTO doors(id, target_fmr, min_score, groups, "   \
	  "windows, timezone, credential, updated_ms) "                        \
	  "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                            \
	X(DOOR_DELETE, writer, "DELETE FROM doors WHERE id = ?1")              \
	X(LOG_ADD, writer,                                                     \
	  "INSERT INTO match_log(at_ms, route, person_id, door_id, decision, " \
	  "reason, score, threshold, model_id, request_id, total_us, "         \
	  "pool_peak_bytes) "                                                  \
	  "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")         \
	X(LOG_TRIM, writer,                                                    \
	  "DELETE FROM match_log WHERE id <= ?1 "                              \
	  "AND id < (SELECT min(id) FROM match_log) + 1024")                   \
	X(LOG_NEWEST, writer, "SELECT coalesce(max(id), 0) FROM match_log")    \
	/* A few rows at a time: SQLite keeps the old pages of one statement   \
	 * in its heap until the statement ends. */                            \
	X(LOG_FORGET, writer,                                                  \
	  "UPDATE match_log SET person_id = '' WHERE id IN (SELECT id FROM "   \
	  "match_log WHERE person_id = ?1 AND person_id <> '' LIMIT 64)")      \
	X(PERSON_GET, reader, DB_PERSON_COLUMNS "WHERE p.id = ?1")             \
	X(PERSON_BY_KEY, reader, DB_PERSON_COLUMNS "WHERE p.key = ?1")         \
	X(PEOPLE_LIST, reader,                                                 \
	  DB_PERSON_COLUMNS "WHERE p.id > ?1 ORDER BY p.id LIMIT ?2")          \
	X(GROUP_KEYS, reader,                                                  \
	  "SELECT key FROM people WHERE "                                      \
	  "instr(' ' || groups || ' ', ' ' || ?1 || ' ') > 0 "                 \
	  "ORDER BY key LIMIT ?2")                                             \
	X(TEMPLATES_EACH, reader,                                              \
	  DB_TEMPLATE_ROW "WHERE model_id = ?1 ORDER BY id")                   \
	X(TEMPLATES_OF, reader,                                                \
	  DB_TEMPLATE_ROW "WHERE model_id = ?1 AND person_key = ?2 "           \
			  "ORDER BY id")                                       \
	X(TEMPLATES_LIST, reader,                                              \
	  "SELECT t.id, t.model_id, t.quality, t.key_id, t.created_ms "        \
	  "FROM templates t JOIN people p ON p.key = t.person_key "            \
	  "WHERE p.id = ?1 AND t.id > ?2 ORDER BY t.id LIMIT ?3")              \
	X(DOOR_GET, reader, DB_DOOR_COLUMNS "WHERE id = ?1")                   \
	X(DOORS_LIST, reader,                                                  \
	  DB_DOOR_COLUMNS "WHERE id > ?1 ORDER BY id LIMIT ?2")                \
	X(TEMPLATES_FOREIGN, reader,                                           \
	  "SELECT count(*) FROM templates WHERE model_id <> ?1")               \
	X(LOG_GET, reader, DB_LOG_COLUMNS "WHERE id = ?1")

enum db_sql {
#define X(name, conn, sql) DB_SQL_##name,
	DB_STATEMENTS(X)
#undef X
		DB_SQL_COUNT
};

struct db {
	sqlite3 *writer;
	sqlite3 *reader; /* query_only */
	sqlite3_stmt *stmt[DB_SQL_COUNT];
	pthread_mutex_t write_lock;
	pthread_mutex_t read_lock;
	int lock_fd;	  /* flock on dir/facegate.lock */
	bool memory_held; /* db_memory_acquire succeeded */
	bool sync_full;	  /* what the writer's synchronous is now */
	bool empty_due;	  /* the WAL should be empty and is not */
	int64_t log_max_rows, people_max, doors_max;
};

/* Turns a SQLite result code of conn into a status; what is the start of a
 * sentence ("Storing the template"). */
enum status db_fail(sqlite3 *conn, int rc, const char *what,
		    struct errinfo *err);

/* Steps a statement that returns no rows, then resets and unbinds it. */
enum status db_run(struct db *db, enum db_sql which, const char *what,
		   struct errinfo *err) MUST_CHECK;
/* The number that a statement without parameters left gives. */
enum status db_number(struct db *db, enum db_sql which, int64_t *out,
		      struct errinfo *err) MUST_CHECK;
/* people.c: the writer's key of a person. ST_NO_SUCH_PERSON. */
enum status db_person_key(struct db *db, const char *person_id, int64_t *key,
			  struct errinfo *err) MUST_CHECK;
/* Ends the use of a statement, whatever state it is in. */
void db_reset(sqlite3_stmt *s);
int db_bind_text(sqlite3_stmt *s, int at, const char *text);
/* Copies a text column; ST_BAD_DATABASE when it does not fit or has a NUL. */
enum status db_column_text(sqlite3_stmt *s, int col, char *out, size_t cap,
			   struct errinfo *err) MUST_CHECK;

/* A number, NaN where the column is NULL: SQLite stores NaN as NULL. */
double db_column_number(sqlite3_stmt *s, int col);

/* A write transaction: begin locks and opens it, end commits when st is ST_OK
 * and rolls back otherwise, unlocks and returns the first failure. With
 * wipe, what was deleted is gone from the files after the commit. */
enum status db_write_begin(struct db *db, bool sync_full,
			   struct errinfo *err) MUST_CHECK;
enum status db_write_end(struct db *db, enum status st, bool wipe,
			 struct errinfo *err) MUST_CHECK;

/* matchlog.c: drops rows beyond log_max_rows, for a limit lowered between
 * two starts. */
enum status db_log_trim_all(struct db *db, struct errinfo *err) MUST_CHECK;
/* The SELECT for a filter. Only constant fragments go into it; values are
 * bound. Shown here so that a test can ask SQLite for its plan. */
#define DB_LOG_SQL_MAX 1024
void db_log_sql(const struct log_filter *f, char out[DB_LOG_SQL_MAX]);

#endif
