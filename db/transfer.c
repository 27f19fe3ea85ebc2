/* See transfer.h. */
#include "transfer.h"

#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "schema.h"

static enum status export_templates(struct db *db, int64_t person_key,
				    const struct db_taker *to,
				    struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_TEMPLATES_EXPORT];
	struct db_template about = { .id = 0 };
	struct db_template_at at;
	struct face_template t;
	enum status st = ST_OK;
	bool whole = false;
	int rc = SQLITE_DONE;

	(void)sqlite3_bind_int64(s, 1, person_key);
	while (st == ST_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		st = db_read_template(db, s, &at, &t, &whole, err);
		if (st == ST_OK && !whole)
			st = err_set(err, ST_BAD_DATABASE,
				     "A template's row was changed or damaged "
				     "in the file.");
		about.quality = db_column_number(s, 5);
		if (st == ST_OK)
			st = db_column_text(s, 6, about.key_id,
					    sizeof about.key_id, err);
		about.created_ms = sqlite3_column_int64(s, 7);
		if (st != ST_OK)
			break;
		about.id = at.row.id;
		memcpy(about.model_id, at.model_id, sizeof about.model_id);
		st = to->template(to->ctx, &about, &t);
	}
	if (st == ST_OK && rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Reading the templates", err);
	db_reset(s);
	explicit_bzero(&t, sizeof t);
	return st;
}

/* The person asked for, or the first one behind `after`, which moves on. */
static enum status export_one(struct db *db, const char *person_id,
			      char after[PERSON_ID_MAX + 1],
			      const struct db_taker *to, bool *more,
			      struct errinfo *err)
{
	sqlite3_stmt *s =
		db->stmt[person_id ? DB_SQL_PERSON_GET : DB_SQL_PEOPLE_LIST];
	enum status st = ST_OK;
	struct db_person p;
	int rc;

	(void)db_bind_text(s, 1, person_id ? person_id : after);
	if (!person_id)
		(void)sqlite3_bind_int64(s, 2, 1);
	(void)db_bind_text(s, 9, db->model_id);
	rc = sqlite3_step(s);
	*more = rc == SQLITE_ROW && !person_id;
	if (rc == SQLITE_ROW)
		st = db_read_person(db, s, &p, err);
	else if (rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Reading the person", err);
	else if (person_id)
		st = err_set(err, ST_NO_SUCH_PERSON, "No person has this id.");
	db_reset(s);
	if (st != ST_OK || rc != SQLITE_ROW)
		return st;
	st = to->person(to->ctx, &p);
	memcpy(after, p.id, sizeof p.id);
	return st == ST_OK ? export_templates(db, p.key, to, err) : st;
}

enum status db_export(struct db *db, const char *person_id,
		      const struct db_taker *to, struct errinfo *err)
{
	char after[PERSON_ID_MAX + 1] = "";
	enum status st = ST_OK;
	bool more = true;

	while (st == ST_OK && more) {
		st = db_read_begin(db, "Reading the people", err);
		if (st == ST_OK)
			st = export_one(db, person_id, after, to, &more, err);
		db_read_end(db);
	}
	return st;
}

enum status db_import_begin(struct db_import *im, struct db *db,
			    enum db_existing existing, const struct db_by *by,
			    struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);

	*im = (struct db_import){ .db = db, .by = *by, .existing = existing };
	if (st != ST_OK)
		return st;
	/* Counted once: each count reads the whole index. */
	st = db_number(db, DB_SQL_PEOPLE_COUNT, &im->people, err);
	return st == ST_OK ? ST_OK : db_write_end(db, st, false, err);
}

static enum status replace_person(struct db_import *im, struct db_person *p,
				  struct errinfo *err)
{
	enum status st = db_store_person(im->db, DB_SQL_PERSON_SET, p, err);
	bool any;

	if (st == ST_OK)
		st = db_templates_drop(im->db, p->key, &any, err);
	im->replaced += st == ST_OK;
	return st;
}

enum status db_import_person(struct db_import *im, const struct db_person *p,
			     struct errinfo *err)
{
	struct db_person made = *p;
	enum status st = db_person_key(im->db, p->id, &made.key, err);
	bool known = st == ST_OK;

	im->person_key = 0;
	if (known && im->existing != DB_EXISTING_REPLACE) {
		if (im->known++ == 0)
			memcpy(im->first_known, p->id, sizeof p->id);
		return ST_OK;
	}
	made.updated_ms = im->by.now_ms;
	if (known) {
		st = replace_person(im, &made, err);
	} else if (st == ST_NO_SUCH_PERSON) {
		st = db_insert_person(im->db, &made, im->people, err);
		im->people++;
		im->added++;
	}
	if (st == ST_OK)
		st = db_audit_add(im->db, &im->by,
				  known ? "import_replace" : "import", made.key,
				  "", err);
	im->person_key = made.key;
	return st;
}

enum status db_import_template(struct db_import *im,
			       const struct db_template *about,
			       const struct face_template *t,
			       struct errinfo *err)
{
	const char *model = im->db->model_id;
	int64_t id;

	if (im->person_key == 0)
		return ST_OK;
	im->templates++;
	im->other_model += !model || strcmp(about->model_id, model) != 0;
	return db_insert_template(im->db, im->person_key, about, t, &id, err);
}

static enum status check_room(struct db *db, int64_t gallery_max,
			      struct errinfo *err)
{
	int64_t count = 0;
	enum status st;

	(void)db_bind_text(db->stmt[DB_SQL_TEMPLATES_COUNT], 1,
			   db->model_id ? db->model_id : "");
	st = db_number(db, DB_SQL_TEMPLATES_COUNT, &count, err);
	if (st == ST_OK && count > gallery_max)
		st = err_limit(err, ST_GALLERY_FULL, gallery_max, count,
			       "There would be %lld templates, and gallery_max "
			       "is %lld.",
			       (long long)count, (long long)gallery_max);
	return st;
}

enum status db_import_end(struct db_import *im, enum status st,
			  int64_t gallery_max, struct errinfo *err)
{
	struct db *db = im->db;

	if (st == ST_OK && im->known > 0 && im->existing == DB_EXISTING_REFUSE)
		st = err_set(err, ST_PERSON_EXISTS,
			     "%lld of the people are here already, %s the "
			     "first of them.",
			     (long long)im->known, im->first_known);
	if (st == ST_OK)
		st = check_room(db, gallery_max, err);
	return db_write_end(db, st, im->replaced > 0, err);
}
