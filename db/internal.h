/* What the files of db/ share and nobody else may include: the handle, the
 * prepared statements and the helpers around SQLite's result codes.
 *
 * Lock order: write_lock before read_lock. A function that takes a statement
 * of a connection holds that connection's lock; db_write_begin takes the
 * write lock and db_write_end gives it back.
 */
#ifndef FACEGATE_DB_INTERNAL_H
#define FACEGATE_DB_INTERNAL_H

#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "audit.h"
#include "db.h"
#include "seal.h"
#include "upkeep.h"

/* SQLite's default. The page cache slots and the page cleaner rely on it, so
 * a file with another page size is refused. */
#define DB_PAGE_BYTES 4096

#define DB_PERSON_COLUMNS                                                      \
	"SELECT p.key, p.id, p.created_ms, p.updated_ms, "                     \
	"(SELECT count(*) FROM templates t WHERE t.person_key = p.key), "      \
	"p.groups, p.valid_from_ms, p.valid_until_ms, p.key_version, "         \
	"p.sealed, "                                                           \
	"(SELECT count(*) FROM templates t WHERE t.person_key = p.key "        \
	"AND t.model_id = ?9) FROM people p "

#define DB_DOOR_COLUMNS                                                        \
	"SELECT id, target_fmr, min_score, groups, windows, timezone, "        \
	"credential, updated_ms FROM doors "

#define DB_TEMPLATE_ROW                                                        \
	"SELECT person_key, id, model_id, key_version, sealed FROM templates "

#define DB_CROP_ROW                                                            \
	"SELECT c.id, c.person_key, c.key_version, c.sealed FROM crops c "
#define DB_CROP_WAITS                                                          \
	"NOT EXISTS(SELECT 1 FROM templates t WHERE t.crop_id = c.id "         \
	"AND t.model_id = ?1)"

#define DB_AUDIT_COLUMNS                                                       \
	"SELECT a.seq, a.at_ms, a.key_id, a.action, a.person_key, a.object, "  \
	"a.hash "

#define DB_LOG_COLUMNS                                                         \
	"SELECT id, at_ms, route, person_id, door_id, decision, reason, "      \
	"score, threshold, model_id, request_id, total_us, pool_peak_bytes "   \
	"FROM match_log "

#define DB_TEXT(macro) DB_QUOTE(macro)
#define DB_QUOTE(text) #text

/* X(NAME, connection, SQL): prepared at open, finalised at close. */
#define DB_STATEMENTS(X)                                                       \
	X(BEGIN, writer, "BEGIN IMMEDIATE")                                    \
	X(COMMIT, writer, "COMMIT")                                            \
	X(ROLLBACK, writer, "ROLLBACK")                                        \
	/* Writes a page and changes nothing. */                               \
	X(PROBE, writer,                                                       \
	  "PRAGMA application_id = " DB_TEXT(DB_APPLICATION_ID))               \
	X(PERSON_KEY, writer, "SELECT key FROM people WHERE id = ?1")          \
	/* The number a row is going to have: what is encrypted is bound to    \
	 * it.                                                                 \
	 */                                                                    \
	X(NEXT_NUMBER, writer,                                                 \
	  "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence "             \
	  "WHERE name = ?1")                                                   \
	X(PERSON_READ, writer, DB_PERSON_COLUMNS "WHERE p.key = ?1")           \
	X(PERSON_ADD, writer,                                                  \
	  "INSERT INTO people(key, id, created_ms, updated_ms, groups, "       \
	  "valid_from_ms, valid_until_ms, key_version, sealed) "               \
	  "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")                        \
	X(PERSON_TOUCH, writer,                                                \
	  "UPDATE people SET updated_ms = ?2 WHERE key = ?1")                  \
	X(PEOPLE_COUNT, writer, "SELECT count(*) FROM people")                 \
	X(PERSON_SET, writer,                                                  \
	  "UPDATE people SET updated_ms = ?4, groups = ?5, "                   \
	  "valid_from_ms = ?6, valid_until_ms = ?7, key_version = ?8, "        \
	  "sealed = ?9 WHERE key = ?1")                                        \
	X(PERSON_DELETE, writer, "DELETE FROM people WHERE key = ?1")          \
	X(TEMPLATE_ADD, writer,                                                \
	  "INSERT INTO templates(id, person_key, model_id, created_ms, "       \
	  "quality, key_id, key_version, sealed, crop_id) "                    \
	  "VALUES(?1, ?2, ?3, ?4, ?5, coalesce(?6, ''), ?7, ?8, ?9)")          \
	X(TEMPLATE_DELETE, writer,                                             \
	  "DELETE FROM templates WHERE id = ?1 AND person_key = ?2")           \
	X(OLD_PERSON, writer,                                                  \
	  DB_PERSON_COLUMNS "WHERE p.key_version <> ?1 AND p.key > ?2 "        \
			    "ORDER BY p.key LIMIT 1")                          \
	X(OLD_TEMPLATE, writer,                                                \
	  DB_TEMPLATE_ROW "WHERE key_version <> ?1 AND id > ?2 "               \
			  "ORDER BY id LIMIT 1")                               \
	X(TEMPLATE_SET, writer,                                                \
	  "UPDATE templates SET key_version = ?2, sealed = ?3 WHERE id = ?1")  \
	X(KEY_ADD, writer, "INSERT INTO seal(version, proof) VALUES(?1, ?2)")  \
	X(KEYS_DROP, writer, "DELETE FROM seal WHERE version <> ?1")           \
	X(TEMPLATES_DELETE, writer,                                            \
	  "DELETE FROM templates WHERE person_key = ?1")                       \
	X(TEMPLATES_COUNT, writer,                                             \
	  "SELECT count(*) FROM templates WHERE model_id = ?1")                \
	X(CROP_ADD, writer,                                                    \
	  "INSERT INTO crops(id, person_key, key_version, sealed) "            \
	  "VALUES(?1, ?2, ?3, ?4)")                                            \
	X(OLD_CROP, writer,                                                    \
	  DB_CROP_ROW "WHERE c.key_version <> ?1 AND c.id > ?2 "               \
		      "ORDER BY c.id LIMIT 1")                                 \
	X(CROP_SET, writer,                                                    \
	  "UPDATE crops SET key_version = ?2, sealed = ?3 WHERE id = ?1")      \
	/* Of a template that is about to go, unless another is made from it   \
	 * that is of use now. */                                              \
	X(CROP_DELETE, writer,                                                 \
	  "DELETE FROM crops WHERE id = (SELECT crop_id FROM templates "       \
	  "WHERE id = ?1 AND person_key = ?2) AND NOT EXISTS(SELECT 1 FROM "   \
	  "templates t WHERE t.crop_id = crops.id AND t.id <> ?1 "             \
	  "AND t.model_id = ?3)")                                              \
	X(CROPS_DELETE, writer, "DELETE FROM crops WHERE person_key = ?1")     \
	X(CROPS_ERASE, writer,                                                 \
	  "DELETE FROM crops WHERE id IN (SELECT id FROM crops LIMIT 8)")      \
	X(CROP_WAITS, writer,                                                  \
	  "SELECT count(*) FROM crops c WHERE c.id = ?2 AND " DB_CROP_WAITS)   \
	X(DOORS_COUNT, writer,                                                 \
	  "SELECT count(*), (SELECT count(*) FROM doors WHERE id = ?1) "       \
	  "FROM doors")                                                        \
	X(DOOR_PUT, writer,                                                    \
	  "INSERT OR REPLACE INTO doors(id, target_fmr, min_score, groups, "   \
	  "windows, timezone, credential, updated_ms) "                        \
	  "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                            \
	X(DOOR_DELETE, writer, "DELETE FROM doors WHERE id = ?1")              \
	X(LOG_ABOUT, writer,                                                   \
	  "SELECT ?1 AND ?1 NOT IN (SELECT key FROM people), "                 \
	  "?2 AND ?2 NOT IN (SELECT id FROM templates)")                       \
	X(LOG_ADD, writer,                                                     \
	  "INSERT INTO match_log(at_ms, route, person_id, door_id, decision, " \
	  "reason, score, threshold, model_id, request_id, total_us, "         \
	  "pool_peak_bytes) "                                                  \
	  "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")         \
	X(LOG_TRIM, writer,                                                    \
	  "DELETE FROM match_log WHERE id <= ?1 "                              \
	  "AND id < (SELECT min(id) FROM match_log) + 1024")                   \
	X(LOG_EXPIRE, writer,                                                  \
	  "DELETE FROM match_log WHERE id IN (SELECT id FROM match_log "       \
	  "INDEXED BY log_by_time WHERE at_ms < ?1 ORDER BY at_ms LIMIT 64)")  \
	X(LOG_NEWEST, writer, "SELECT coalesce(max(id), 0) FROM match_log")    \
	/* A few rows at a time: SQLite keeps the old pages of one statement   \
	 * in its heap until the statement ends. */                            \
	X(LOG_FORGET, writer,                                                  \
	  "UPDATE match_log SET person_id = '' WHERE id IN (SELECT id FROM "   \
	  "match_log WHERE person_id = ?1 AND person_id <> '' LIMIT 64)")      \
	X(AUDIT_CHAIN, writer, "SELECT key_version, sealed FROM audit_chain")  \
	X(AUDIT_CHAIN_SET, writer,                                             \
	  "INSERT OR REPLACE INTO audit_chain(one, key_version, sealed) "      \
	  "VALUES(1, ?1, ?2)")                                                 \
	/* In the place of a row that a stranger put there, if need be. */     \
	X(AUDIT_ADD, writer,                                                   \
	  "INSERT OR REPLACE INTO audit(seq, at_ms, key_id, action, "          \
	  "person_key, object, hash) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")      \
	X(AUDIT_LAST, writer, "SELECT coalesce(max(seq), 0) FROM audit")       \
	X(AUDIT_HASH, writer, "SELECT hash FROM audit WHERE seq = ?1")         \
	X(AUDIT_CUT, writer, "DELETE FROM audit WHERE seq <= ?1")              \
	X(AUDIT_CONFIG, writer,                                                \
	  "SELECT object FROM audit WHERE action = 'config' "                  \
	  "ORDER BY seq DESC LIMIT 1")                                         \
	X(AUDIT_KEY_KNOWN, writer,                                             \
	  "SELECT count(*) FROM audit_keys WHERE id = ?1")                     \
	X(AUDIT_KEY_NEXT, writer,                                              \
	  "SELECT id, role FROM audit_keys WHERE id > ?1 ORDER BY id LIMIT 1") \
	X(AUDIT_KEY_ADD, writer,                                               \
	  "INSERT INTO audit_keys(id, role) VALUES(?1, ?2)")                   \
	X(AUDIT_KEY_DROP, writer, "DELETE FROM audit_keys WHERE id = ?1")      \
	X(AUDIT_CHAIN_READ, reader,                                            \
	  "SELECT key_version, sealed FROM audit_chain")                       \
	X(AUDIT_EACH, reader,                                                  \
	  DB_AUDIT_COLUMNS "FROM audit a WHERE a.seq > ?1 "                    \
			   "ORDER BY a.seq LIMIT ?2")                          \
	X(AUDIT_LIST, reader,                                                  \
	  DB_AUDIT_COLUMNS ", p.id FROM audit a LEFT JOIN people p "           \
			   "ON p.key = a.person_key WHERE a.seq < ?1 "         \
			   "ORDER BY a.seq DESC LIMIT ?2")                     \
	X(KEY_RANGE, reader, "SELECT min(version), max(version) FROM seal")    \
	X(PERSON_GET, reader, DB_PERSON_COLUMNS "WHERE p.id = ?1")             \
	X(PERSON_BY_KEY, reader, DB_PERSON_COLUMNS "WHERE p.key = ?1")         \
	X(PEOPLE_LIST, reader,                                                 \
	  DB_PERSON_COLUMNS "WHERE p.id > ?1 ORDER BY p.id LIMIT ?2")          \
	X(GROUP_KEYS, reader,                                                  \
	  "SELECT key FROM people WHERE "                                      \
	  "instr(' ' || groups || ' ', ' ' || ?1 || ' ') > 0 "                 \
	  "ORDER BY key LIMIT ?2")                                             \
	X(TEMPLATES_EACH, reader,                                              \
	  DB_TEMPLATE_ROW "WHERE model_id = ?1 AND id >= ?2 ORDER BY id")      \
	X(TEMPLATES_OF, reader,                                                \
	  DB_TEMPLATE_ROW "WHERE model_id = ?1 AND person_key = ?2 "           \
			  "ORDER BY id")                                       \
	X(TEMPLATES_EXPORT, reader,                                            \
	  "SELECT person_key, id, model_id, key_version, sealed, quality, "    \
	  "key_id, created_ms FROM templates WHERE person_key = ?1 "           \
	  "ORDER BY id")                                                       \
	X(TEMPLATES_LIST, reader,                                              \
	  "SELECT t.id, t.model_id, t.quality, t.key_id, t.created_ms, "       \
	  "coalesce(t.crop_id, 0) "                                            \
	  "FROM templates t JOIN people p ON p.key = t.person_key "            \
	  "WHERE p.id = ?1 AND t.id > ?2 ORDER BY t.id LIMIT ?3")              \
	X(CROP_NEXT, reader,                                                   \
	  DB_CROP_ROW "WHERE c.id > ?2 AND " DB_CROP_WAITS                     \
		      " ORDER BY c.id LIMIT 1")                                \
	X(CROPS_COUNT, reader,                                                 \
	  "SELECT count(*), (SELECT count(*) FROM crops c "                    \
	  "WHERE " DB_CROP_WAITS ") FROM crops")                               \
	X(DOOR_GET, reader, DB_DOOR_COLUMNS "WHERE id = ?1")                   \
	X(DOORS_LIST, reader,                                                  \
	  DB_DOOR_COLUMNS "WHERE id > ?1 ORDER BY id LIMIT ?2")                \
	X(TEMPLATES_FOREIGN, reader,                                           \
	  "SELECT count(*) FROM templates WHERE model_id <> ?1")               \
	X(PEOPLE_WAITING, reader,                                              \
	  "SELECT count(*) FROM people p WHERE "                               \
	  "EXISTS(SELECT 1 FROM templates t WHERE t.person_key = p.key) "      \
	  "AND NOT EXISTS(SELECT 1 FROM templates t "                          \
	  "WHERE t.person_key = p.key AND t.model_id = ?1)")                   \
	X(LOG_GET, reader, DB_LOG_COLUMNS "WHERE id = ?1")                     \
	X(LOG_LAST, reader, "SELECT coalesce(max(id), 0) FROM match_log")      \
	X(SINK_GET, reader, "SELECT log_id FROM sinks WHERE name = ?1")        \
	X(SINK_PUT, writer,                                                    \
	  "INSERT INTO sinks(name, log_id) VALUES(?1, ?2) "                    \
	  "ON CONFLICT(name) DO UPDATE SET log_id = excluded.log_id")

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
	int lock_fd;		/* flock on dir/facegate.lock */
	bool memory_held;	/* db_memory_acquire succeeded */
	bool sync_full;		/* what the writer's synchronous is now */
	_Atomic bool empty_due; /* the WAL should be empty and is not */
	bool write_failed;	/* the last time, for what the disk is like */
	int settle_in; /* turns of the upkeep until changes leave the WAL */
	int64_t log_days;
	bool log_unwiped; /* rows have expired, and not yet as bytes */
	int64_t log_max_rows, audit_max_rows, people_max, doors_max;
	char *dir;
	/* No writer. ST_VERIFY_ONLY: damaged, what can be read is read;
	 * ST_DISK_FULL, ST_IO_ERROR: the disk was full or read-only at the
	 * start. ST_OK: all can be done. */
	enum status refuses;
	bool restored; /* at this start, from the automatic backup */
	struct db_upkeep_state upkeep;
	struct seal *seal; /* changed under both locks, used under either */
	char *key_path;
	const char *model_id; /* bound as ?9 of DB_PERSON_COLUMNS */
	bool reseal_due;      /* rows of older keys may exist */
	/* Up to these. */
	int64_t resealed_people, resealed_templates, resealed_crops;
	_Atomic uint64_t corrupt_rows;
	/* Of db_audit_step: the last row it has seen, if it has begun. */
	struct db_audit_anchor audit_at;
	bool audit_begun;
	_Atomic int64_t audit_broken_at;
};

/* db.c: a handle that db_close takes in any state from here on, and the path of
 * its file. What it then gets: the lock on the folder, and its share of
 * SQLite's memory. */
enum status db_handle(const struct db_options *opt, struct db **out,
		      char path[PATH_MAX], struct errinfo *err) MUST_CHECK;
enum status db_lock_folder(struct db *db, const char *dir,
			   struct errinfo *err) MUST_CHECK;
enum status db_take_memory(struct db *db, const struct db_options *opt,
			   int *pages, struct errinfo *err) MUST_CHECK;
/* A connection with the settings of all; to be closed on error too. With
 * SQLITE_OPEN_EXCLUSIVE in mode it needs no shared memory file, and no other
 * connection can be. */
enum status db_connect(const char *path, int mode, int cache_pages,
		       sqlite3 **out, struct errinfo *err) MUST_CHECK;

/* restore.c: removes databases that were replaced, but the one of this name,
 * which may be NULL, and what a restoration that was cut short has left. */
void db_forget_kept(const char *dir, const char *but);

/* rowseal.c: the encrypted part of a row. */
#define PERSON_PLAIN_MIN (8 + 8 + 1 + 1) /* card, two empty texts */
#define PERSON_SEALED_MAX                                                      \
	(PERSON_PLAIN_MIN + PERSON_NAME_MAX + METADATA_MAX + SEAL_OVERHEAD)
#define TEMPLATE_SEALED_BYTES (TEMPLATE_DIM + 4 + 4 + SEAL_OVERHEAD)

/* With the newest key; the person's key, id, groups and validity must be set.
 * Returns the bytes written. */
size_t db_encrypt_person(const struct seal *s, const struct db_person *p,
			 uint8_t out[PERSON_SEALED_MAX]);
/* Fills name, metadata and card. False when the row is not as it was written.
 */
bool db_decrypt_person(const struct seal *s, int64_t version,
		       const void *sealed, size_t n, struct db_person *p);

struct db_template_row { /* what a template is bound to */
	int64_t person_key, id;
	const char *model_id;
};
void db_encrypt_template(const struct seal *s,
			 const struct db_template_row *row,
			 const struct face_template *t,
			 uint8_t out[TEMPLATE_SEALED_BYTES]);
bool db_decrypt_template(const struct seal *s, int64_t version,
			 const struct db_template_row *row, const void *sealed,
			 size_t n, struct face_template *t);
#define CROP_SEALED_BYTES (FACE_CROP_BYTES + SEAL_OVERHEAD)
void db_encrypt_crop(const struct seal *s, const struct db_crop *row,
		     const uint8_t rgb[FACE_CROP_BYTES],
		     uint8_t out[CROP_SEALED_BYTES]);
bool db_decrypt_crop(const struct seal *s, int64_t version,
		     const struct db_crop *row, const void *sealed, size_t n,
		     uint8_t rgb[FACE_CROP_BYTES]);
/* Logs and counts a row that did not decrypt. */
void db_count_corrupt(struct db *db, const char *table, int64_t row);

/* Turns a SQLite result code of conn into a status; what is the start of a
 * sentence ("Storing the template"). */
enum status db_fail(sqlite3 *conn, int rc, const char *what,
		    struct errinfo *err);
/* The same for what opening asks: our own SQL is right, so where it is an error
 * the file's tables must be wrong. */
enum status db_fail_to_open(sqlite3 *conn, int rc, const char *what,
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
/* people.c: reads a row of DB_PERSON_COLUMNS. A row that does not decrypt is
 * ST_BAD_DATABASE. */
enum status db_read_person(struct db *db, sqlite3_stmt *s,
			   struct db_person *out,
			   struct errinfo *err) MUST_CHECK;
/* people.c: stores a new person, with the times in it, as one more than there
 * are `people`, and gives it its key; stores a template, whose number is new.
 * ST_STORE_FULL. */
enum status db_insert_person(struct db *db, struct db_person *p, int64_t people,
			     struct errinfo *err) MUST_CHECK;
enum status db_insert_template(struct db *db, int64_t person_key,
			       const struct db_template *about,
			       const struct face_template *t, int64_t *id,
			       struct errinfo *err) MUST_CHECK;
/* people.c: encrypts and stores all of a person but when it was made. */
enum status db_store_person(struct db *db, enum db_sql which,
			    const struct db_person *p,
			    struct errinfo *err) MUST_CHECK;
/* templates.c: reads a row of DB_TEMPLATE_ROW. *whole says whether it is as it
 * was written: one that is not matches nobody, and the others are not held up
 * by it. */
struct db_template_at {
	struct db_template_row row;
	char model_id[MODEL_ID_MAX]; /* row.model_id */
};
enum status db_read_template(struct db *db, sqlite3_stmt *s,
			     struct db_template_at *at, struct face_template *t,
			     bool *whole, struct errinfo *err) MUST_CHECK;
/* templates.c: removes all templates of a person, and the crops they were made
 * from; *any says whether there were. */
enum status db_templates_drop(struct db *db, int64_t person_key, bool *any,
			      struct errinfo *err) MUST_CHECK;
/* people.c: the number that the next row of a table gets. */
enum status db_next_number(struct db *db, const char *table, int64_t *out,
			   struct errinfo *err) MUST_CHECK;
/* crops.c: stores a person's crop and gives it its number. */
enum status db_crop_add(struct db *db, int64_t person_key,
			const uint8_t rgb[FACE_CROP_BYTES], int64_t *id,
			struct errinfo *err) MUST_CHECK;
/* crops.c: encrypts the next crop behind *at again; *end when there is none.
 * One that does not decrypt is left as it is. */
enum status db_reseal_crop(struct db *db, int64_t *at, bool *end,
			   struct errinfo *err) MUST_CHECK;
/* What is read between them is as of one moment, and nobody else reads.
 * db_read_end must follow in every case. what as for db_fail. */
enum status db_read_begin(struct db *db, const char *what,
			  struct errinfo *err) MUST_CHECK;
void db_read_end(struct db *db);
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

/* audit.c: a row of the audit log, within a write transaction. person_key is 0
 * when it is not about a person. */
enum status db_audit_add(struct db *db, const struct db_by *by,
			 const char *action, int64_t person_key,
			 const char *object, struct errinfo *err) MUST_CHECK;

/* auditbeside.c: writes the row that another process asks for, if one does. */
enum status db_audit_take(struct db *db, int64_t now_ms,
			  struct errinfo *err) MUST_CHECK;

/* matchlog.c: how many rows of a log go at a time. */
int64_t db_trim_step(int64_t max_rows);

/* step.c: tries again what the last wiping could not do; else, some turns after
 * the last change, puts what was changed into the file. */
void db_wipe_due(struct db *db);

/* In the folder. Its holder alone changes what is there. */
#define DB_LOCK_FILE "facegate.lock"

/* db.c: as db_open, but reads alone, what can be read; refuses as in struct db.
 * ST_DISK_FULL does without the few bytes that reading takes, and no other
 * process can read meanwhile. ST_OK: beside a daemon that has it. */
enum status db_open_to_read(const struct db_options *opt, enum status refuses,
			    struct db **out, struct errinfo *err) MUST_CHECK;

/* matchlog.c: drops rows from before a time, at most 64; *more while there may
 * be others. With the last of them they are gone from the files. */
enum status db_log_expire(struct db *db, int64_t before_ms, bool *more,
			  struct errinfo *err) MUST_CHECK;
/* matchlog.c: drops rows beyond log_max_rows, for a limit lowered between
 * two starts. */
enum status db_log_trim_all(struct db *db, struct errinfo *err) MUST_CHECK;
/* The SELECT for a filter. Only constant fragments go into it; values are
 * bound. Shown here so that a test can ask SQLite for its plan. */
#define DB_LOG_SQL_MAX 1024
void db_log_sql(const struct log_filter *f, char out[DB_LOG_SQL_MAX]);

#endif
