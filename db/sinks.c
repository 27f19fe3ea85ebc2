/* How far each receiver of decisions has come. The match log itself is what
 * waits to be sent, so nothing is stored twice. */
#include "internal.h"

enum status db_log_newest(struct db *db, int64_t *id, struct errinfo *err)
{
	enum status st;

	pthread_mutex_lock(&db->read_lock);
	st = db_number(db, DB_SQL_LOG_LAST, id, err);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_sink_get(struct db *db, const char *name, int64_t *log_id,
			bool *found, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_SINK_GET];
	enum status st = ST_OK;
	int rc;

	*log_id = 0;
	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(s, 1, name);
	rc = sqlite3_step(s);
	*found = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW)
		*log_id = sqlite3_column_int64(s, 0);
	else if (rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Reading a receiver's place", err);
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_sink_put(struct db *db, const char *name, int64_t log_id,
			struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_SINK_PUT];
	enum status st = db_write_begin(db, false, err);

	if (st != ST_OK)
		return st;
	(void)db_bind_text(s, 1, name);
	(void)sqlite3_bind_int64(s, 2, log_id);
	st = db_run(db, DB_SQL_SINK_PUT, "Keeping a receiver's place", err);
	return db_write_end(db, st, false, err);
}
