/* People: enrolling, reading, listing, deleting. Row structs belong to the
 * caller. Writers and readers use different connections, see internal.h.
 */
#include <math.h>

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

static enum status insert_person(struct db *db, const char *person_id,
				 const char *name, int64_t now_ms, int64_t *key,
				 struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_PERSON_ADD];
	int64_t count = 0;
	enum status st = db_number(db, DB_SQL_PEOPLE_COUNT, &count, err);

	if (st == ST_OK && count >= db->people_max)
		st = err_limit(err, ST_STORE_FULL, db->people_max, count + 1,
			       "There are people_max people.");
	if (st != ST_OK)
		return st;
	(void)db_bind_text(s, 1, person_id);
	(void)db_bind_text(s, 2, name);
	(void)sqlite3_bind_int64(s, 3, now_ms);
	st = db_run(db, DB_SQL_PERSON_ADD, "Storing the person", err);
	if (st == ST_OK)
		*key = sqlite3_last_insert_rowid(db->writer);
	return st;
}

static enum status put_person(struct db *db, const struct db_enrolment *e,
			      int64_t *key, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_PERSON_TOUCH];
	enum status st = db_person_key(db, e->person_id, key, err);

	if (st == ST_NO_SUCH_PERSON)
		return insert_person(db, e->person_id, e->name, e->now_ms, key,
				     err);
	if (st != ST_OK)
		return st;
	(void)sqlite3_bind_int64(s, 1, *key);
	(void)db_bind_text(s, 2, e->name);
	(void)sqlite3_bind_int64(s, 3, e->now_ms);
	return db_run(db, DB_SQL_PERSON_TOUCH, "Storing the person", err);
}

static enum status put_template(struct db *db, int64_t key,
				const struct db_enrolment *e, size_t i,
				int64_t *id, struct errinfo *err)
{
	const struct face_template *t = &e->templates[i];
	sqlite3_stmt *s = db->stmt[DB_SQL_TEMPLATE_ADD];
	enum status st;

	(void)sqlite3_bind_int64(s, 1, key);
	(void)db_bind_text(s, 2, e->model_id);
	(void)sqlite3_bind_blob(s, 3, t->v, TEMPLATE_DIM, SQLITE_STATIC);
	(void)sqlite3_bind_double(s, 4, (double)t->scale);
	(void)sqlite3_bind_double(s, 5, (double)t->length);
	(void)sqlite3_bind_int64(s, 6, e->now_ms);
	/* SQLite stores NaN as NULL. */
	(void)sqlite3_bind_double(s, 7,
				  (double)(e->quality ? e->quality[i] : NAN));
	(void)db_bind_text(s, 8, e->key_id);
	st = db_run(db, DB_SQL_TEMPLATE_ADD, "Storing the template", err);
	if (st == ST_OK)
		*id = sqlite3_last_insert_rowid(db->writer);
	return st;
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
	if (st == ST_OK && e->replace) {
		(void)sqlite3_bind_int64(db->stmt[DB_SQL_TEMPLATES_DELETE], 1,
					 key);
		st = db_run(db, DB_SQL_TEMPLATES_DELETE,
			    "Replacing the templates", err);
		wipe = st == ST_OK && sqlite3_changes(db->writer) > 0;
	}
	for (size_t i = 0; st == ST_OK && i < e->count; i++)
		st = put_template(db, key, e, i, &template_ids[i], err);
	st = db_write_end(db, st, wipe, err);
	if (st == ST_OK)
		*person_key = key;
	return st;
}

static enum status set_person(struct db *db, int64_t key,
			      const struct db_person *p, int64_t now_ms,
			      struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_PERSON_SET];

	(void)sqlite3_bind_int64(s, 1, key);
	(void)db_bind_text(s, 2, p->name);
	(void)sqlite3_bind_int64(s, 3, now_ms);
	(void)db_bind_text(s, 4, p->groups);
	(void)sqlite3_bind_int64(s, 5, p->valid_from_ms);
	(void)sqlite3_bind_int64(s, 6, p->valid_until_ms);
	(void)db_bind_text(s, 7, p->metadata);
	(void)sqlite3_bind_int64(s, 8, p->card.facility);
	(void)sqlite3_bind_int64(s, 9, p->card.number);
	return db_run(db, DB_SQL_PERSON_SET, "Storing the person", err);
}

enum status db_person_add(struct db *db, const struct db_person *p,
			  int64_t now_ms, struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);
	int64_t key = 0;

	if (st != ST_OK)
		return st;
	st = db_person_key(db, p->id, &key, err);
	if (st == ST_OK)
		st = err_set(err, ST_PERSON_EXISTS,
			     "A person with this id exists already.");
	else if (st == ST_NO_SUCH_PERSON)
		st = insert_person(db, p->id, p->name, now_ms, &key, err);
	if (st == ST_OK)
		st = set_person(db, key, p, now_ms, err);
	return db_write_end(db, st, false, err);
}

enum status db_person_set(struct db *db, const struct db_person *p,
			  int64_t now_ms, struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);
	int64_t key = 0;

	if (st != ST_OK)
		return st;
	st = db_person_key(db, p->id, &key, err);
	if (st == ST_NO_SUCH_PERSON)
		st = err_set(err, st, "No person has this id.");
	if (st == ST_OK)
		st = set_person(db, key, p, now_ms, err);
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
			     int64_t *person_key, struct errinfo *err)
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
	st = db_write_end(db, st, true, err);
	if (st == ST_OK)
		*person_key = key;
	return st;
}

static enum status read_person(sqlite3_stmt *s, struct db_person *out,
			       struct errinfo *err)
{
	enum status st;

	out->key = sqlite3_column_int64(s, 0);
	st = db_column_text(s, 1, out->id, sizeof out->id, err);
	if (st == ST_OK)
		st = db_column_text(s, 2, out->name, sizeof out->name, err);
	out->created_ms = sqlite3_column_int64(s, 3);
	out->updated_ms = sqlite3_column_int64(s, 4);
	out->templates = sqlite3_column_int64(s, 5);
	if (st == ST_OK)
		st = db_column_text(s, 6, out->groups, sizeof out->groups, err);
	out->valid_from_ms = sqlite3_column_int64(s, 7);
	out->valid_until_ms = sqlite3_column_int64(s, 8);
	if (st == ST_OK)
		st = db_column_text(s, 9, out->metadata, sizeof out->metadata,
				    err);
	out->card.facility = sqlite3_column_int64(s, 10);
	out->card.number = sqlite3_column_int64(s, 11);
	return st;
}

/* Steps a bound reader statement that gives one person or none. */
static enum status get_person(struct db *db, sqlite3_stmt *s,
			      struct db_person *out, struct errinfo *err)
{
	int rc = sqlite3_step(s);

	if (rc == SQLITE_ROW)
		return read_person(s, out, err);
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
	while (st == ST_OK && *count < cap &&
	       (rc = sqlite3_step(s)) == SQLITE_ROW) {
		st = read_person(s, &out[*count], err);
		if (st == ST_OK)
			++*count;
	}
	if (st == ST_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Listing the people", err);
	db_reset(s);
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
