/* The match log: a ring of rows in the file. Ids only grow and rows leave only
 * at the old end, so the number of rows is at most newest - oldest + 1.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* Rows go in steps, so that most inserts need not touch the pages at the old
 * end: each is 4 KiB more in the WAL. The log never exceeds its limit; it is
 * up to a step below it. */
int64_t db_trim_step(int64_t max_rows)
{
	int64_t step = max_rows / 64;

	if (step < 1)
		return 1;
	return step < 256 ? step : 256;
}

static enum status trim(struct db *db, int64_t last_gone, struct errinfo *err)
{
	(void)sqlite3_bind_int64(db->stmt[DB_SQL_LOG_TRIM], 1, last_gone);
	return db_run(db, DB_SQL_LOG_TRIM, "Trimming the match log", err);
}

enum status db_log_trim_all(struct db *db, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_LOG_NEWEST];
	int64_t newest = 0, gone = 0;
	enum status st;

	/* Short transactions keep the changed pages within the cache. */
	do {
		st = db_write_begin(db, false, err);
		if (st != ST_OK)
			return st;
		if (sqlite3_step(s) == SQLITE_ROW)
			newest = sqlite3_column_int64(s, 0);
		else
			st = db_fail(db->writer, sqlite3_errcode(db->writer),
				     "Reading the match log", err);
		db_reset(s);
		if (st == ST_OK)
			st = trim(db, newest - db->log_max_rows, err);
		gone = sqlite3_changes(db->writer);
		st = db_write_end(db, st, false, err);
	} while (st == ST_OK && gone > 0);
	return st;
}

enum status db_log_expire(struct db *db, int64_t before_ms, bool *more,
			  struct errinfo *err)
{
	enum status st = db_write_begin(db, false, err);
	int gone = 0;

	*more = false;
	if (st != ST_OK)
		return st;
	(void)sqlite3_bind_int64(db->stmt[DB_SQL_LOG_EXPIRE], 1, before_ms);
	st = db_run(db, DB_SQL_LOG_EXPIRE, "Removing old rows of the match log",
		    err);
	if (st == ST_OK)
		gone = sqlite3_changes(db->writer);
	*more = gone > 0;
	/* The step after the last row finds none, and wipes those before. */
	st = db_write_end(db, st, st == ST_OK && gone == 0 && db->log_unwiped,
			  err);
	if (st == ST_OK)
		db->log_unwiped = gone > 0;
	return st;
}

/* Whoever was erased while the decision was made gets no row any more. */
static enum status check_about(struct db *db, const struct match_event *ev,
			       struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_LOG_ABOUT];
	enum status st = ST_OK;
	int rc;

	(void)sqlite3_bind_int64(s, 1, ev->person_key);
	(void)sqlite3_bind_int64(s, 2, ev->template_id);
	rc = sqlite3_step(s);
	if (rc != SQLITE_ROW)
		st = db_fail(db->writer, rc, "Looking for the person", err);
	else if (sqlite3_column_int(s, 0))
		st = err_set(err, ST_NO_SUCH_PERSON, "No person has this id.");
	else if (sqlite3_column_int(s, 1))
		st = err_set(err, ST_NO_SUCH_TEMPLATE, "The template is gone.");
	db_reset(s);
	return st;
}

enum status db_log_add(struct db *db, const struct match_event *ev, int64_t *id,
		       struct errinfo *err)
{
	int64_t step = db_trim_step(db->log_max_rows);
	sqlite3_stmt *s = db->stmt[DB_SQL_LOG_ADD];
	enum status st = db_write_begin(db, false, err);
	int64_t row = 0;

	if (st != ST_OK)
		return st;
	(void)sqlite3_bind_int64(s, 1, ev->at_ms);
	(void)db_bind_text(s, 2, ev->route);
	(void)db_bind_text(s, 3, ev->person_id);
	(void)db_bind_text(s, 4, ev->door_id);
	(void)db_bind_text(s, 5, ev->decision);
	(void)db_bind_text(s, 6, ev->reason);
	/* SQLite stores NaN as NULL. */
	(void)sqlite3_bind_double(s, 7, ev->score);
	(void)sqlite3_bind_double(s, 8, ev->threshold);
	(void)db_bind_text(s, 9, ev->model_id);
	(void)db_bind_text(s, 10, ev->request_id);
	(void)sqlite3_bind_int64(s, 11, ev->total_us);
	(void)sqlite3_bind_int64(s, 12, ev->pool_peak_bytes);
	st = check_about(db, ev, err);
	if (st == ST_OK)
		st = db_run(db, DB_SQL_LOG_ADD, "Writing the match log", err);
	if (st == ST_OK) {
		row = sqlite3_last_insert_rowid(db->writer);
		if (row % step == 0)
			st = trim(db, row - db->log_max_rows + step - 1, err);
	}
	st = db_write_end(db, st, false, err);
	if (st == ST_OK)
		*id = row;
	return st;
}

static enum status read_event(sqlite3_stmt *s, struct match_event *ev,
			      struct errinfo *err)
{
	const struct {
		int col;
		char *out;
		size_t cap;
	} texts[] = {
		{ 2, ev->route, sizeof ev->route },
		{ 3, ev->person_id, sizeof ev->person_id },
		{ 4, ev->door_id, sizeof ev->door_id },
		{ 5, ev->decision, sizeof ev->decision },
		{ 6, ev->reason, sizeof ev->reason },
		{ 9, ev->model_id, sizeof ev->model_id },
		{ 10, ev->request_id, sizeof ev->request_id },
	};
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < sizeof texts / sizeof *texts; i++)
		st = db_column_text(s, texts[i].col, texts[i].out, texts[i].cap,
				    err);
	ev->id = sqlite3_column_int64(s, 0);
	ev->at_ms = sqlite3_column_int64(s, 1);
	ev->score = db_column_number(s, 7);
	ev->threshold = db_column_number(s, 8);
	ev->total_us = sqlite3_column_int64(s, 11);
	ev->pool_peak_bytes = sqlite3_column_int64(s, 12);
	return st;
}

/* One prepared statement for all filters, with terms like (?1 = '' OR ...),
 * could use no index, and there are too many combinations to prepare each.
 * So the text is put together from these constants. The most selective field
 * that is set leads and uses its index; a plus sign keeps SQLite from picking
 * another one. All end in row id order, so LIMIT stops the scan early. */
void db_log_sql(const struct log_filter *f, char out[DB_LOG_SQL_MAX])
{
	bool person = f->person_id[0] != 0, door = f->door_id[0] != 0;
	const char *by_person = "", *by_door = "", *by_decision = "";
	const char *reason = "", *score = "", *time = "";

	if (person)
		by_person = " AND person_id = ?2 AND person_id <> ''";
	if (door)
		by_door = person ? " AND +door_id = ?3"
				 : " AND door_id = ?3 AND door_id <> ''";
	if (f->decision[0])
		by_decision = person || door ? " AND +decision = ?4"
					     : " AND decision = ?4";
	if (f->reason[0])
		reason = " AND reason = ?5";
	if (!isnan(f->min_score))
		score = " AND score >= ?6";
	/* Clocks get set, so row ids follow time only nearly. The index gives
	 * the range of ids; the times of the rows are still compared. */
	if (f->from_ms != 0 || f->to_ms != 0)
		time = " AND +at_ms >= ?7 AND +at_ms < ?8 AND id BETWEEN "
		       "(SELECT min(id) FROM match_log INDEXED BY log_by_time "
		       "WHERE at_ms >= ?7 AND at_ms < ?8) AND "
		       "(SELECT max(id) FROM match_log INDEXED BY log_by_time "
		       "WHERE at_ms >= ?7 AND at_ms < ?8)";
	(void)snprintf(out, DB_LOG_SQL_MAX,
		       DB_LOG_COLUMNS
		       "WHERE id %s ?1%s%s%s%s%s%s ORDER BY id%s LIMIT ?9",
		       f->rising ? ">" : "<", by_person, by_door, by_decision,
		       reason, score, time, f->rising ? "" : " DESC");
}

static void bind_filter(sqlite3_stmt *s, const struct log_filter *f, size_t cap)
{
	int64_t before = f->before_id ? f->before_id : INT64_MAX;

	(void)sqlite3_bind_int64(s, 1, f->rising ? f->after_id : before);
	/* A parameter that the text does not name is out of range or unused;
	 * binding it does no harm. */
	(void)db_bind_text(s, 2, f->person_id);
	(void)db_bind_text(s, 3, f->door_id);
	(void)db_bind_text(s, 4, f->decision);
	(void)db_bind_text(s, 5, f->reason);
	(void)sqlite3_bind_double(s, 6, f->min_score);
	(void)sqlite3_bind_int64(s, 7, f->from_ms ? f->from_ms : INT64_MIN);
	(void)sqlite3_bind_int64(s, 8, f->to_ms ? f->to_ms : INT64_MAX);
	(void)sqlite3_bind_int64(s, 9, (sqlite3_int64)cap);
}

enum status db_log_list(struct db *db, const struct log_filter *f,
			struct match_event *out, size_t cap, size_t *count,
			struct errinfo *err)
{
	char sql[DB_LOG_SQL_MAX];
	sqlite3_stmt *s = NULL;
	enum status st = ST_OK;
	int rc;

	*count = 0;
	db_log_sql(f, sql);
	pthread_mutex_lock(&db->read_lock);
	rc = sqlite3_prepare_v2(db->reader, sql, -1, &s, NULL);
	if (rc == SQLITE_OK) {
		bind_filter(s, f, cap);
		rc = SQLITE_DONE;
	}
	while (s && st == ST_OK && *count < cap &&
	       (rc = sqlite3_step(s)) == SQLITE_ROW) {
		st = read_event(s, &out[*count], err);
		if (st == ST_OK)
			++*count;
	}
	if (st == ST_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Reading the match log", err);
	sqlite3_finalize(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_log_get(struct db *db, int64_t id, struct match_event *out,
		       bool *found, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_LOG_GET];
	enum status st = ST_OK;
	int rc;

	*found = false;
	pthread_mutex_lock(&db->read_lock);
	(void)sqlite3_bind_int64(s, 1, id);
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		st = read_event(s, out, err);
	else if (rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Reading the match log", err);
	*found = st == ST_OK && rc == SQLITE_ROW;
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}
