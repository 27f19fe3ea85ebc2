/* Reading templates back, for the gallery in RAM. What the file holds is
 * outside input: each row is checked before anyone computes with it. The row
 * function runs under the reader's lock and must not call into db.
 */
#include <math.h>
#include <string.h>

#include "internal.h"

static enum status read_template(sqlite3_stmt *s, struct face_template *t,
				 struct errinfo *err)
{
	const void *vector = sqlite3_column_blob(s, 2);

	if (!vector && sqlite3_errcode(sqlite3_db_handle(s)) == SQLITE_NOMEM)
		return err_set(err, ST_NO_MEMORY,
			       "No memory to read a template.");
	if (!vector || sqlite3_column_bytes(s, 2) != TEMPLATE_DIM)
		return err_set(err, ST_BAD_DATABASE,
			       "A stored template has a wrong size.");
	memcpy(t->v, vector, TEMPLATE_DIM);
	t->scale = (float)sqlite3_column_double(s, 3);
	t->length = (float)sqlite3_column_double(s, 4);
	if (!isfinite(t->scale) || t->scale <= 0 || !isfinite(t->length) ||
	    t->length < 0)
		return err_set(err, ST_BAD_DATABASE,
			       "A stored template has invalid numbers.");
	return ST_OK;
}

/* Walks a statement whose parameters are bound; under the reader's lock. */
static enum status walk(struct db *db, sqlite3_stmt *s, db_template_fn row,
			void *ctx, struct errinfo *err)
{
	struct face_template t;
	enum status st = ST_OK;
	int rc = SQLITE_DONE;

	while (st == ST_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		st = read_template(s, &t, err);
		if (st == ST_OK)
			st = row(ctx, sqlite3_column_int64(s, 0),
				 sqlite3_column_int64(s, 1), &t);
	}
	if (st == ST_OK && rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Reading the templates", err);
	db_reset(s);
	return st;
}

enum status db_templates_each(struct db *db, const char *model_id,
			      db_template_fn row, void *ctx,
			      struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_TEMPLATES_EACH];
	enum status st;

	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(s, 1, model_id);
	st = walk(db, s, row, ctx, err);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_templates_of(struct db *db, int64_t person_key,
			    const char *model_id, db_template_fn row, void *ctx,
			    struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_TEMPLATES_OF];
	enum status st;

	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(s, 1, model_id);
	(void)sqlite3_bind_int64(s, 2, person_key);
	st = walk(db, s, row, ctx, err);
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

enum status db_template_delete(struct db *db, const char *person_id,
			       int64_t template_id, int64_t *person_key,
			       struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_TEMPLATE_DELETE];
	enum status st = db_write_begin(db, true, err);

	if (st != ST_OK)
		return st;
	st = db_person_key(db, person_id, person_key, err);
	if (st == ST_NO_SUCH_PERSON)
		st = err_set(err, st, "No person has this id.");
	if (st == ST_OK) {
		(void)sqlite3_bind_int64(s, 1, template_id);
		(void)sqlite3_bind_int64(s, 2, *person_key);
		st = db_run(db, DB_SQL_TEMPLATE_DELETE, "Deleting the template",
			    err);
		if (st == ST_OK && sqlite3_changes(db->writer) == 0)
			st = err_set(err, ST_NO_SUCH_TEMPLATE,
				     "The person has no template of this "
				     "number.");
	}
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
