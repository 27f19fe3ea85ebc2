/* Crops of faces, kept so that another model can make templates from them
 * without anybody enrolling again. Each is encrypted by itself and bound to its
 * number and its person; the templates that were made from it refer to it.
 * One takes ten pages, so whatever changes them takes a few at a time.
 */
#include <stdio.h>
#include <string.h>

#include "internal.h"

enum status db_crop_add(struct db *db, int64_t person_key,
			const uint8_t rgb[FACE_CROP_BYTES], int64_t *id,
			struct errinfo *err)
{
	struct db_crop row = { .person_key = person_key };
	sqlite3_stmt *s = db->stmt[DB_SQL_CROP_ADD];
	uint8_t sealed[CROP_SEALED_BYTES];
	enum status st = db_next_number(db, "crops", &row.id, err);

	if (st != ST_OK)
		return st;
	db_encrypt_crop(db->seal, &row, rgb, sealed);
	(void)sqlite3_bind_int64(s, 1, row.id);
	(void)sqlite3_bind_int64(s, 2, row.person_key);
	(void)sqlite3_bind_int64(s, 3, seal_newest(db->seal));
	(void)sqlite3_bind_blob(s, 4, sealed, sizeof sealed, SQLITE_STATIC);
	*id = row.id;
	return db_run(db, DB_SQL_CROP_ADD, "Storing the crop", err);
}

/* Steps a bound statement of DB_CROP_ROW that gives one row or none. *whole
 * says whether the crop is as it was written. */
static enum status read_crop(struct db *db, sqlite3_stmt *s,
			     struct db_crop *out, uint8_t rgb[FACE_CROP_BYTES],
			     bool *found, bool *whole, struct errinfo *err)
{
	enum status st = ST_OK;
	const void *sealed;
	int rc = sqlite3_step(s);

	*found = rc == SQLITE_ROW;
	*whole = false;
	if (*found) {
		out->id = sqlite3_column_int64(s, 0);
		out->person_key = sqlite3_column_int64(s, 1);
		sealed = sqlite3_column_blob(s, 3);
		if (!sealed &&
		    sqlite3_errcode(sqlite3_db_handle(s)) == SQLITE_NOMEM)
			st = err_set(err, ST_NO_MEMORY,
				     "No memory to read a crop.");
		else
			*whole = db_decrypt_crop(
				db->seal, sqlite3_column_int64(s, 2), out,
				sealed, (size_t)sqlite3_column_bytes(s, 3),
				rgb);
	} else if (rc != SQLITE_DONE) {
		st = db_fail(sqlite3_db_handle(s), rc, "Reading the crops",
			     err);
	}
	db_reset(s);
	if (st == ST_OK && *found && !*whole)
		db_count_corrupt(db, "crops", out->id);
	return st;
}

enum status db_crop_next(struct db *db, const char *model_id, int64_t after,
			 struct db_crop *out, uint8_t rgb[FACE_CROP_BYTES],
			 bool *found, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_CROP_NEXT];
	enum status st;
	bool whole;

	pthread_mutex_lock(&db->read_lock);
	do {
		(void)db_bind_text(s, 1, model_id);
		(void)sqlite3_bind_int64(s, 2, after);
		st = read_crop(db, s, out, rgb, found, &whole, err);
		if (*found)
			after = out->id;
	} while (st == ST_OK && *found && !whole);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_crops_count(struct db *db, const char *model_id, int64_t *all,
			   int64_t *waiting, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_CROPS_COUNT];
	enum status st = ST_OK;
	int rc;

	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(s, 1, model_id);
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		*all = sqlite3_column_int64(s, 0);
		*waiting = sqlite3_column_int64(s, 1);
	} else {
		st = db_fail(db->reader, rc, "Counting the crops", err);
	}
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_crop_embedded(struct db *db, const struct db_crop *crop,
			     const char *model_id,
			     const struct face_template *t, float quality,
			     int64_t now_ms, int64_t *template_id,
			     struct errinfo *err)
{
	struct db_template about = { .quality = (double)quality,
				     .created_ms = now_ms,
				     .crop_id = crop->id };
	enum status st = db_write_begin(db, true, err);
	int64_t waits = 0;

	if (st != ST_OK)
		return st;
	(void)snprintf(about.model_id, sizeof about.model_id, "%s", model_id);
	(void)db_bind_text(db->stmt[DB_SQL_CROP_WAITS], 1, model_id);
	(void)sqlite3_bind_int64(db->stmt[DB_SQL_CROP_WAITS], 2, crop->id);
	st = db_number(db, DB_SQL_CROP_WAITS, &waits, err);
	if (st == ST_OK && waits == 0)
		st = err_set(err, ST_NO_SUCH_TEMPLATE,
			     "The crop was deleted or embedded meanwhile.");
	if (st == ST_OK)
		st = db_insert_template(db, crop->person_key, &about, t,
					template_id, err);
	return db_write_end(db, st, false, err);
}

enum status db_crops_erase(struct db *db, const struct db_by *by, bool *more,
			   struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);

	*more = false;
	if (st != ST_OK)
		return st;
	st = db_run(db, DB_SQL_CROPS_ERASE, "Erasing the crops", err);
	*more = st == ST_OK && sqlite3_changes(db->writer) > 0;
	if (*more)
		st = db_forget_backups(db, err);
	else if (st == ST_OK)
		st = db_audit_add(db, by, "crops_erase", 0, "", err);
	return db_write_end(db, st, !*more, err);
}

enum status db_reseal_crop(struct db *db, int64_t *at, bool *end,
			   struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_OLD_CROP];
	uint8_t rgb[FACE_CROP_BYTES], sealed[CROP_SEALED_BYTES];
	struct db_crop crop = { .id = *at };
	bool found, whole;
	enum status st;

	(void)sqlite3_bind_int64(s, 1, seal_newest(db->seal));
	(void)sqlite3_bind_int64(s, 2, *at);
	st = read_crop(db, s, &crop, rgb, &found, &whole, err);
	*at = crop.id;
	*end = st == ST_OK && !found;
	if (st != ST_OK || !whole)
		return st;
	db_encrypt_crop(db->seal, &crop, rgb, sealed);
	explicit_bzero(rgb, sizeof rgb);
	s = db->stmt[DB_SQL_CROP_SET];
	(void)sqlite3_bind_int64(s, 1, crop.id);
	(void)sqlite3_bind_int64(s, 2, seal_newest(db->seal));
	(void)sqlite3_bind_blob(s, 3, sealed, sizeof sealed, SQLITE_STATIC);
	return db_run(db, DB_SQL_CROP_SET, "Storing the crop", err);
}
