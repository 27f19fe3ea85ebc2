/* People: enrolling, reading, listing, deleting. Row structs belong to the
 * caller. Writers and readers use different connections, see internal.h.
 */
#include <math.h>
#include <stdio.h>

#include "internal.h"

static enum status check_templates(const struct face_template *t, size_t n,
				   struct errinfo *err)
{
	if (n == 0)
		return err_set(err, ST_INTERNAL,
			       "There is no template to store.");
	for (size_t i = 0; i < n; i++) {
		if (!(t[i].scale > 0 && t[i].scale < 1e30F) ||
		    !(t[i].length >= 0 && t[i].length < 1e30F))
			return err_set(err, ST_INTERNAL,
				       "The template's numbers are not valid.");
	}
	return ST_OK;
}

/* ST_NO_SUCH_PERSON without an error text when the id is unknown: for
 * enrolment that is no failure. */
enum status db_person_key(struct db *db, const char *person_id, int64_t *key,
			  struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_PERSON_KEY];
	enum status st = ST_OK;
	int rc = db_bind_text(s, 1, person_id);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*key = sqlite3_column_int64(s, 0);
	else if (rc == SQLITE_DONE)
		st = ST_NO_SUCH_PERSON;
	else
		st = db_fail(db->writer, rc, "Looking up the person", err);
	db_reset(s);
	return st;
}

enum status db_next_number(struct db *db, const char *table, int64_t *out,
			   struct errinfo *err)
{
	(void)db_bind_text(db->stmt[DB_SQL_NEXT_NUMBER], 1, table);
	return db_number(db, DB_SQL_NEXT_NUMBER, out, err);
}

enum status db_store_person(struct db *db, enum db_sql which,
			    const struct db_person *p, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[which];
	uint8_t sealed[PERSON_SEALED_MAX];
	size_t n = db_encrypt_person(db->seal, p, sealed);

	(void)sqlite3_bind_int64(s, 1, p->key);
	if (which == DB_SQL_PERSON_ADD) {
		(void)db_bind_text(s, 2, p->id);
		(void)sqlite3_bind_int64(s, 3, p->created_ms);
	}
	(void)sqlite3_bind_int64(s, 4, p->updated_ms);
	(void)db_bind_text(s, 5, p->groups);
	(void)sqlite3_bind_int64(s, 6, p->valid_from_ms);
	(void)sqlite3_bind_int64(s, 7, p->valid_until_ms);
	(void)sqlite3_bind_int64(s, 8, seal_newest(db->seal));
	(void)sqlite3_bind_blob(s, 9, sealed, (int)n, SQLITE_STATIC);
	return db_run(db, which, "Storing the person", err);
}

enum status db_insert_person(struct db *db, struct db_person *p, int64_t people,
			     struct errinfo *err)
{
	enum status st = ST_OK;

	if (people >= db->people_max)
		st = err_limit(err, ST_STORE_FULL, db->people_max, people + 1,
			       "There are people_max people.");
	if (st == ST_OK)
		st = db_next_number(db, "people", &p->key, err);
	return st == ST_OK ? db_store_person(db, DB_SQL_PERSON_ADD, p, err)
			   : st;
}

static enum status insert_person(struct db *db, struct db_person *p,
				 int64_t now_ms, struct errinfo *err)
{
	int64_t people = 0;
	enum status st = db_number(db, DB_SQL_PEOPLE_COUNT, &people, err);

	p->created_ms = p->updated_ms = now_ms;
	return st == ST_OK ? db_insert_person(db, p, people, err) : st;
}

static enum status insert_new(struct db *db, const struct db_enrolment *e,
			      int64_t *key, struct errinfo *err)
{
	struct db_person p = { .metadata = "{}", .card = { -1, -1 } };
	enum status st;

	(void)snprintf(p.id, sizeof p.id, "%s", e->person_id);
	(void)snprintf(p.name, sizeof p.name, "%s", e->name ? e->name : "");
	st = insert_person(db, &p, e->by.now_ms, err);
	*key = p.key;
	return st;
}

static enum status rename_person(struct db *db, int64_t key, const char *name,
				 int64_t now_ms, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_PERSON_READ];
	struct db_person p;
	enum status st;
	int rc;

	(void)sqlite3_bind_int64(s, 1, key);
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		st = db_read_person(db, s, &p, err);
	else
		st = db_fail(db->writer, rc, "Reading the person", err);
	db_reset(s);
	if (st != ST_OK)
		return st;
	(void)snprintf(p.name, sizeof p.name, "%s", name);
	p.updated_ms = now_ms;
	return db_store_person(db, DB_SQL_PERSON_SET, &p, err);
}

static enum status put_person(struct db *db, const struct db_enrolment *e,
			      int64_t *key, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_PERSON_TOUCH];
	enum status st = db_person_key(db, e->person_id, key, err);

	if (st == ST_NO_SUCH_PERSON)
		return insert_new(db, e, key, err);
	if (st != ST_OK)
		return st;
	if (e->name)
		return rename_person(db, *key, e->name, e->by.now_ms, err);
	(void)sqlite3_bind_int64(s, 1, *key);
	(void)sqlite3_bind_int64(s, 2, e->by.now_ms);
	return db_run(db, DB_SQL_PERSON_TOUCH, "Storing the person", err);
}

enum status db_insert_template(struct db *db, int64_t person_key,
			       const struct db_template *about,
			       const struct face_template *t, int64_t *id,
			       struct errinfo *err)
{
	struct db_template_row row = { person_key, 0, about->model_id };
	sqlite3_stmt *s = db->stmt[DB_SQL_TEMPLATE_ADD];
	uint8_t sealed[TEMPLATE_SEALED_BYTES];
	enum status st = db_next_number(db, "templates", &row.id, err);

	if (st != ST_OK)
		return st;
	db_encrypt_template(db->seal, &row, t, sealed);
	(void)sqlite3_bind_int64(s, 1, row.id);
	(void)sqlite3_bind_int64(s, 2, person_key);
	(void)db_bind_text(s, 3, about->model_id);
	(void)sqlite3_bind_int64(s, 4, about->created_ms);
	/* SQLite stores NaN as NULL. */
	(void)sqlite3_bind_double(s, 5, about->quality);
	(void)db_bind_text(s, 6, about->key_id);
	(void)sqlite3_bind_int64(s, 7, seal_newest(db->seal));
	(void)sqlite3_bind_blob(s, 8, sealed, sizeof sealed, SQLITE_STATIC);
	if (about->crop_id != 0)
		(void)sqlite3_bind_int64(s, 9, about->crop_id);
	st = db_run(db, DB_SQL_TEMPLATE_ADD, "Storing the template", err);
	*id = row.id;
	return st;
}

/* The i-th template, and what it was made from if that is kept. */
static enum status put_template(struct db *db, int64_t key,
				const struct db_enrolment *e, size_t i,
				int64_t *id, struct errinfo *err)
{
	struct db_template about = {
		.quality = (double)(e->quality ? e->quality[i] : NAN),
		.created_ms = e->by.now_ms
	};
	enum status st = ST_OK;

	(void)snprintf(about.model_id, sizeof about.model_id, "%s",
		       e->model_id);
	(void)snprintf(about.key_id, sizeof about.key_id, "%s",
		       e->by.key_id ? e->by.key_id : "");
	if (e->crops)
		st = db_crop_add(db, key, e->crops + i * FACE_CROP_BYTES,
				 &about.crop_id, err);
	return st == ST_OK ? db_insert_template(db, key, &about,
						&e->templates[i], id, err)
			   : st;
}

/* Numbers of one transaction follow one another. */
static enum status note_enrolment(struct db *db, const struct db_enrolment *e,
				  int64_t key, const int64_t *ids,
				  struct errinfo *err)
{
	char object[48];

	if (e->count == 1)
		(void)snprintf(object, sizeof object, "%lld",
			       (long long)ids[0]);
	else
		(void)snprintf(object, sizeof object, "%lld-%lld",
			       (long long)ids[0], (long long)ids[e->count - 1]);
	return db_audit_add(db, &e->by, e->replace ? "enrol_replace" : "enrol",
			    key, object, err);
}

enum status db_enroll(struct db *db, const struct db_enrolment *e,
		      int64_t *person_key, int64_t *template_ids,
		      struct errinfo *err)
{
	enum status st = check_templates(e->templates, e->count, err);
	bool wipe = false;
	int64_t key = 0;

	if (st == ST_OK)
		st = db_write_begin(db, true, err);
	if (st != ST_OK)
		return st;
	st = put_person(db, e, &key, err);
	if (st == ST_OK && e->replace)
		st = db_templates_drop(db, key, &wipe, err);
	for (size_t i = 0; st == ST_OK && i < e->count; i++)
		st = put_template(db, key, e, i, &template_ids[i], err);
	if (st == ST_OK)
		st = note_enrolment(db, e, key, template_ids, err);
	st = db_write_end(db, st, wipe, err);
	if (st == ST_OK)
		*person_key = key;
	return st;
}

enum status db_person_add(struct db *db, const struct db_person *p,
			  const struct db_by *by, struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);
	struct db_person made = *p;

	if (st != ST_OK)
		return st;
	st = db_person_key(db, p->id, &made.key, err);
	if (st == ST_OK)
		st = err_set(err, ST_PERSON_EXISTS,
			     "A person with this id exists already.");
	else if (st == ST_NO_SUCH_PERSON)
		st = insert_person(db, &made, by->now_ms, err);
	if (st == ST_OK)
		st = db_audit_add(db, by, "person_add", made.key, "", err);
	return db_write_end(db, st, false, err);
}

enum status db_person_set(struct db *db, const struct db_person *p,
			  const struct db_by *by, struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);
	struct db_person changed = *p;

	if (st != ST_OK)
		return st;
	st = db_person_key(db, p->id, &changed.key, err);
	if (st == ST_NO_SUCH_PERSON)
		st = err_set(err, st, "No person has this id.");
	changed.updated_ms = by->now_ms;
	if (st == ST_OK)
		st = db_store_person(db, DB_SQL_PERSON_SET, &changed, err);
	if (st == ST_OK)
		st = db_audit_add(db, by, "person_change", changed.key, "",
				  err);
	return db_write_end(db, st, true, err);
}

static enum status forget_in_log(struct db *db, const char *person_id,
				 struct errinfo *err)
{
	enum status st;

	do {
		(void)db_bind_text(db->stmt[DB_SQL_LOG_FORGET], 1, person_id);
		st = db_run(db, DB_SQL_LOG_FORGET,
			    "Clearing the person from the match log", err);
	} while (st == ST_OK && sqlite3_changes(db->writer) > 0);
	return st;
}

enum status db_person_delete(struct db *db, const char *person_id,
			     const struct db_by *by, int64_t *person_key,
			     struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);
	int64_t key = 0;

	if (st != ST_OK)
		return st;
	st = db_person_key(db, person_id, &key, err);
	if (st == ST_NO_SUCH_PERSON)
		st = err_set(err, st, "No person has this id.");
	if (st == ST_OK)
		st = forget_in_log(db, person_id, err);
	if (st == ST_OK) {
		(void)sqlite3_bind_int64(db->stmt[DB_SQL_PERSON_DELETE], 1,
					 key);
		st = db_run(db, DB_SQL_PERSON_DELETE, "Deleting the person",
			    err);
	}
	if (st == ST_OK)
		st = db_audit_add(db, by, "person_erase", key, "", err);
	if (st == ST_OK)
		st = db_forget_backups(db, err);
	st = db_write_end(db, st, true, err);
	if (st == ST_OK)
		*person_key = key;
	return st;
}

/* All but what is encrypted. */
static enum status read_plain(sqlite3_stmt *s, struct db_person *out,
			      struct errinfo *err)
{
	enum status st;

	*out = (struct db_person){ .metadata = "{}", .card = { -1, -1 } };
	out->key = sqlite3_column_int64(s, 0);
	st = db_column_text(s, 1, out->id, sizeof out->id, err);
	out->created_ms = sqlite3_column_int64(s, 2);
	out->updated_ms = sqlite3_column_int64(s, 3);
	out->templates = sqlite3_column_int64(s, 4);
	out->usable = sqlite3_column_int64(s, 10);
	if (st == ST_OK)
		st = db_column_text(s, 5, out->groups, sizeof out->groups, err);
	out->valid_from_ms = sqlite3_column_int64(s, 6);
	out->valid_until_ms = sqlite3_column_int64(s, 7);
	return st;
}

static enum status decrypt(struct db *db, sqlite3_stmt *s,
			   struct db_person *out, struct errinfo *err)
{
	const void *sealed = sqlite3_column_blob(s, 9);

	if (!sealed && sqlite3_errcode(sqlite3_db_handle(s)) == SQLITE_NOMEM)
		return err_set(err, ST_NO_MEMORY,
			       "No memory to read the database.");
	if (db_decrypt_person(db->seal, sqlite3_column_int64(s, 8), sealed,
			      (size_t)sqlite3_column_bytes(s, 9), out))
		return ST_OK;
	db_count_corrupt(db, "people", out->key);
	return err_set(err, ST_BAD_DATABASE,
		       "The person's row was changed or damaged in the file.");
}

enum status db_read_person(struct db *db, sqlite3_stmt *s,
			   struct db_person *out, struct errinfo *err)
{
	enum status st = read_plain(s, out, err);

	return st == ST_OK ? decrypt(db, s, out, err) : st;
}

/* Steps a bound reader statement that gives one person or none. */
static enum status get_person(struct db *db, sqlite3_stmt *s,
			      struct db_person *out, struct errinfo *err)
{
	int rc;

	(void)db_bind_text(s, 9, db->model_id);
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		return db_read_person(db, s, out, err);
	if (rc == SQLITE_DONE)
		return err_set(err, ST_NO_SUCH_PERSON,
			       "No person has this id.");
	return db_fail(db->reader, rc, "Reading the person", err);
}

enum status db_person_get(struct db *db, const char *person_id,
			  struct db_person *out, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_PERSON_GET];
	enum status st;

	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(s, 1, person_id);
	st = get_person(db, s, out, err);
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_person_by_key(struct db *db, int64_t key, struct db_person *out,
			     struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_PERSON_BY_KEY];
	enum status st;

	pthread_mutex_lock(&db->read_lock);
	(void)sqlite3_bind_int64(s, 1, key);
	st = get_person(db, s, out, err);
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_people_list(struct db *db, const char *after,
			   struct db_person *out, size_t cap, size_t *count,
			   struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_PEOPLE_LIST];
	enum status st = ST_OK;
	int rc = SQLITE_DONE;

	*count = 0;
	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(s, 1, after);
	(void)sqlite3_bind_int64(s, 2, (sqlite3_int64)cap);
	(void)db_bind_text(s, 9, db->model_id);
	while (st == ST_OK && *count < cap &&
	       (rc = sqlite3_step(s)) == SQLITE_ROW) {
		st = read_plain(s, &out[*count], err);
		/* A damaged row is listed without its name, so that it can be
		 * seen and deleted. */
		if (st == ST_OK &&
		    decrypt(db, s, &out[*count], NULL) == ST_NO_MEMORY)
			st = err_set(err, ST_NO_MEMORY,
				     "No memory to read the database.");
		if (st == ST_OK)
			++*count;
	}
	if (st == ST_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Listing the people", err);
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_people_waiting(struct db *db, int64_t *count,
			      struct errinfo *err)
{
	enum status st;

	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(db->stmt[DB_SQL_PEOPLE_WAITING], 1,
			   db->model_id ? db->model_id : "");
	st = db_number(db, DB_SQL_PEOPLE_WAITING, count, err);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_group_keys(struct db *db, const char *group, int64_t *keys,
			  size_t cap, size_t *count, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_GROUP_KEYS];
	enum status st = ST_OK;
	int rc = SQLITE_DONE;

	*count = 0;
	pthread_mutex_lock(&db->read_lock);
	(void)db_bind_text(s, 1, group);
	(void)sqlite3_bind_int64(s, 2, (sqlite3_int64)cap);
	while (*count < cap && (rc = sqlite3_step(s)) == SQLITE_ROW)
		keys[(*count)++] = sqlite3_column_int64(s, 0);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Reading the group", err);
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}
