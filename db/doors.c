/* Doors. The caller has checked what they hold; the store keeps it. */

#include "internal.h"

enum status db_door_put(struct db *db, const struct db_door *d,
			const struct db_by *by, bool *made, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_DOORS_COUNT];
	enum status st = db_write_begin(db, true, err);
	int64_t count = 0;
	int rc;

	if (st != ST_OK)
		return st;
	(void)db_bind_text(s, 1, d->id);
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		count = sqlite3_column_int64(s, 0);
		*made = sqlite3_column_int64(s, 1) == 0;
	} else {
		st = db_fail(db->writer, rc, "Counting the doors", err);
	}
	db_reset(s);
	if (st == ST_OK && *made && count >= db->doors_max)
		st = err_limit(err, ST_STORE_FULL, db->doors_max, count + 1,
			       "There are doors_max doors.");
	if (st == ST_OK) {
		s = db->stmt[DB_SQL_DOOR_PUT];
		(void)db_bind_text(s, 1, d->id);
		/* SQLite stores NaN as NULL. */
		(void)sqlite3_bind_double(s, 2, d->target_fmr);
		(void)sqlite3_bind_double(s, 3, d->min_score);
		(void)db_bind_text(s, 4, d->groups);
		(void)db_bind_text(s, 5, d->windows);
		(void)db_bind_text(s, 6, d->timezone);
		(void)db_bind_text(s, 7, d->credential);
		(void)sqlite3_bind_int64(s, 8, by->now_ms);
		st = db_run(db, DB_SQL_DOOR_PUT, "Storing the door", err);
	}
	if (st == ST_OK)
		st = db_audit_add(db, by, *made ? "door_add" : "door_change", 0,
				  d->id, err);
	return db_write_end(db, st, false, err);
}

enum status db_door_delete(struct db *db, const char *id,
			   const struct db_by *by, struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);

	if (st != ST_OK)
		return st;
	(void)db_bind_text(db->stmt[DB_SQL_DOOR_DELETE], 1, id);
	st = db_run(db, DB_SQL_DOOR_DELETE, "Deleting the door", err);
	if (st == ST_OK && sqlite3_changes(db->writer) == 0)
		st = err_set(err, ST_NO_SUCH_DOOR, "No door has this id.");
	if (st == ST_OK)
		st = db_audit_add(db, by, "door_delete", 0, id, err);
	return db_write_end(db, st, false, err);
}

static enum status read_door(sqlite3_stmt *s, struct db_door *d,
			     struct errinfo *err)
{
	const struct {
		int col;
		char *out;
		size_t cap;
	} texts[] = {
		{ 0, d->id, sizeof d->id },
		{ 3, d->groups, sizeof d->groups },
		{ 4, d->windows, sizeof d->windows },
		{ 5, d->timezone, sizeof d->timezone },
		{ 6, d->credential, sizeof d->credential },
	};
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < sizeof texts / sizeof *texts; i++)
		st = db_column_text(s, texts[i].col, texts[i].out, texts[i].cap,
				    err);
	d->target_fmr = db_column_number(s, 1);
	d->min_score = db_column_number(s, 2);
	d->updated_ms = sqlite3_column_int64(s, 7);
	return st;
}

enum status db_door_get(struct db *db, const char *id, struct db_door *out,
			struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_DOOR_GET];
	enum status st;
	int rc;

	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(s, 1, id);
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		st = read_door(s, out, err);
	else if (rc == SQLITE_DONE)
		st = err_set(err, ST_NO_SUCH_DOOR, "No door has this id.");
	else
		st = db_fail(db->reader, rc, "Reading the door", err);
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_doors_list(struct db *db, const char *after, struct db_door *out,
			  size_t cap, size_t *count, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_DOORS_LIST];
	enum status st = ST_OK;
	int rc = SQLITE_DONE;

	*count = 0;
	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(s, 1, after);
	(void)sqlite3_bind_int64(s, 2, (sqlite3_int64)cap);
	while (st == ST_OK && *count < cap &&
	       (rc = sqlite3_step(s)) == SQLITE_ROW) {
		st = read_door(s, &out[*count], err);
		if (st == ST_OK)
			++*count;
	}
	if (st == ST_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Listing the doors", err);
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}
