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

enum status db_templates_each(struct db *db, const char *model_id,
			      db_template_fn row, void *ctx,
			      struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_TEMPLATES_EACH];
	struct face_template t;
	enum status st = ST_OK;
	int rc = SQLITE_DONE;

	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(s, 1, model_id);
	while (st == ST_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		st = read_template(s, &t, err);
		if (st == ST_OK)
			st = row(ctx, sqlite3_column_int64(s, 0),
				 sqlite3_column_int64(s, 1), &t);
	}
	if (st == ST_OK && rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Reading the templates", err);
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
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
