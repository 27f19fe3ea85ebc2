/* Reading templates back, for the gallery in RAM. What the file holds is
 * outside input: each row is checked before anyone computes with it. The row
 * function runs under the reader's lock and must not call into db.
 */
#include <stdio.h>

#include "internal.h"

enum status db_read_template(struct db *db, sqlite3_stmt *s,
			     struct db_template_at *at, struct face_template *t,
			     bool *whole, struct errinfo *err)
{
	const void *sealed = sqlite3_column_blob(s, 4);
	enum status st = db_column_text(s, 2, at->model_id, sizeof at->model_id,
					err);

	if (st != ST_OK)
		return st;
	if (!sealed && sqlite3_errcode(sqlite3_db_handle(s)) == SQLITE_NOMEM)
		return err_set(err, ST_NO_MEMORY,
			       "No memory to read a template.");
	at->row = (struct db_template_row){ sqlite3_column_int64(s, 0),
					    sqlite3_column_int64(s, 1),
					    at->model_id };
	*whole = db_decrypt_template(db->seal, sqlite3_column_int64(s, 3),
				     &at->row, sealed,
				     (size_t)sqlite3_column_bytes(s, 4), t);
	if (!*whole)
		db_count_corrupt(db, "templates", at->row.id);
	return ST_OK;
}

/* Walks a statement whose parameters are bound; under the reader's lock. *last
 * is the number of the last template that was read. */
static enum status walk(struct db *db, sqlite3_stmt *s, db_template_fn row,
			void *ctx, int64_t *last, struct errinfo *err)
{
	struct db_template_at at;
	struct face_template t;
	enum status st = ST_OK;
	bool whole = false;
	int rc = SQLITE_DONE;

	while (st == ST_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		st = db_read_template(db, s, &at, &t, &whole, err);
		*last = at.row.id;
		if (st == ST_OK && whole)
			st = row(ctx, at.row.person_key, at.row.id, &t);
	}
	if (st == ST_OK && rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Reading the templates", err);
	db_reset(s);
	return st;
}

/* A walk ends at a damaged page; the rows behind it are found by beginning anew
 * at the next number, and the next, and in longer and longer steps once that
 * has failed for more numbers than a page of pages has rows. */
static int64_t step_over(int64_t last, int64_t failed)
{
	int64_t step = failed - last < 16384 ? 1 : failed - last;

	return failed < INT64_MAX / 4 ? failed + step : INT64_MAX;
}

enum status db_templates_each(struct db *db, const char *model_id,
			      db_template_fn row, void *ctx,
			      struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_TEMPLATES_EACH];
	int64_t from = 1, last = 0;
	struct errinfo why;
	enum status st;

	pthread_mutex_lock(&db->read_lock);
	do {
		err_clear(&why);
		(void)db_bind_text(s, 1, model_id);
		(void)sqlite3_bind_int64(s, 2, from);
		st = walk(db, s, row, ctx, &last, &why);
		from = last >= from ? last + 1 : step_over(last, from);
	} while (st == ST_BAD_DATABASE && db->refuses && from < INT64_MAX);
	pthread_mutex_unlock(&db->read_lock);
	if (st == ST_BAD_DATABASE && db->refuses)
		return ST_OK;
	/* row() tells its own failures by itself. */
	return why.status == ST_OK ? st : err_set(err, st, "%s", why.text);
}

enum status db_templates_of(struct db *db, int64_t person_key,
			    const char *model_id, db_template_fn row, void *ctx,
			    struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_TEMPLATES_OF];
	int64_t last;
	enum status st;

	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(s, 1, model_id);
	(void)sqlite3_bind_int64(s, 2, person_key);
	st = walk(db, s, row, ctx, &last, err);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_templates_list(struct db *db, const char *person_id,
			      int64_t after, struct db_template *out,
			      size_t cap, size_t *count, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_TEMPLATES_LIST];
	enum status st = ST_OK;
	int rc = SQLITE_DONE;

	*count = 0;
	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(s, 1, person_id);
	(void)sqlite3_bind_int64(s, 2, after);
	(void)sqlite3_bind_int64(s, 3, (sqlite3_int64)cap);
	while (st == ST_OK && *count < cap &&
	       (rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct db_template *t = &out[*count];

		t->id = sqlite3_column_int64(s, 0);
		t->quality = db_column_number(s, 2);
		t->created_ms = sqlite3_column_int64(s, 4);
		t->crop_id = sqlite3_column_int64(s, 5);
		st = db_column_text(s, 1, t->model_id, sizeof t->model_id, err);
		if (st == ST_OK)
			st = db_column_text(s, 3, t->key_id, sizeof t->key_id,
					    err);
		if (st == ST_OK)
			++*count;
	}
	if (st == ST_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Listing the templates", err);
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_templates_drop(struct db *db, int64_t person_key, bool *any,
			      struct errinfo *err)
{
	enum status st;

	(void)sqlite3_bind_int64(db->stmt[DB_SQL_TEMPLATES_DELETE], 1,
				 person_key);
	st = db_run(db, DB_SQL_TEMPLATES_DELETE, "Replacing the templates",
		    err);
	*any = st == ST_OK && sqlite3_changes(db->writer) > 0;
	(void)sqlite3_bind_int64(db->stmt[DB_SQL_CROPS_DELETE], 1, person_key);
	return st == ST_OK ? db_run(db, DB_SQL_CROPS_DELETE,
				    "Replacing the templates", err)
			   : st;
}

/* With the crop it was made from, if that is of no use any more. */
static enum status drop_template(struct db *db, int64_t person_key, int64_t id,
				 struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_CROP_DELETE];
	enum status st;

	(void)sqlite3_bind_int64(s, 1, id);
	(void)sqlite3_bind_int64(s, 2, person_key);
	(void)db_bind_text(s, 3, db->model_id);
	st = db_run(db, DB_SQL_CROP_DELETE, "Deleting the template", err);
	if (st != ST_OK)
		return st;
	s = db->stmt[DB_SQL_TEMPLATE_DELETE];
	(void)sqlite3_bind_int64(s, 1, id);
	(void)sqlite3_bind_int64(s, 2, person_key);
	st = db_run(db, DB_SQL_TEMPLATE_DELETE, "Deleting the template", err);
	if (st == ST_OK && sqlite3_changes(db->writer) == 0)
		st = err_set(err, ST_NO_SUCH_TEMPLATE,
			     "The person has no template of this number.");
	return st;
}

enum status db_template_delete(struct db *db, const char *person_id,
			       int64_t template_id, const struct db_by *by,
			       int64_t *person_key, struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);
	char object[24];

	if (st != ST_OK)
		return st;
	st = db_person_key(db, person_id, person_key, err);
	if (st == ST_NO_SUCH_PERSON)
		st = err_set(err, st, "No person has this id.");
	if (st == ST_OK)
		st = drop_template(db, *person_key, template_id, err);
	(void)snprintf(object, sizeof object, "%lld", (long long)template_id);
	if (st == ST_OK)
		st = db_audit_add(db, by, "template_delete", *person_key,
				  object, err);
	if (st == ST_OK)
		st = db_forget_backups(db, err);
	return db_write_end(db, st, true, err);
}

enum status db_templates_foreign(struct db *db, const char *model_id,
				 int64_t *count, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_TEMPLATES_FOREIGN];
	enum status st = ST_OK;
	int rc;

	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(s, 1, model_id);
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*count = sqlite3_column_int64(s, 0);
	else
		st = db_fail(db->reader, rc, "Counting the templates", err);
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}
