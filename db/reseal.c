/* The key file and the database agree: at start, when the file changes, and
 * until every row is under the newest key.
 *
 * The table "seal" has a line for each key that rows may be encrypted with, and
 * a proof that only that key decrypts, so a wrong key file is told from a
 * damaged row. The line is committed before the first row of its key, and goes
 * when no row has an older key any more. A process that dies in between leaves
 * rows of both keys, which is what it was allowed to have.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "auditchain.h"
#include "internal.h"
#include "log.h"
#include "reseal.h"
#include "schema.h"

/* Short enough that a door waiting for its log row does not notice. */
#define ROWS_AT_ONCE 32
#define CROP_ROWS    8 /* as many rows' time and pages a crop takes */

static const char proof_text[] = "facegate";
#define PROOF_BYTES (sizeof proof_text + SEAL_OVERHEAD)

static void make_proof(const struct seal *s, uint8_t out[PROOF_BYTES])
{
	struct seal_place place;

	seal_place_begin(&place, "seal", seal_newest(s));
	seal_encrypt(s, &place, proof_text, sizeof proof_text, out);
}

static enum status check_proof(sqlite3_stmt *row, const struct seal *s,
			       struct errinfo *err)
{
	int64_t version = sqlite3_column_int64(row, 0);
	const void *proof = sqlite3_column_blob(row, 1);
	char text[sizeof proof_text];
	struct seal_place place;

	if (!proof || sqlite3_column_bytes(row, 1) != (int)PROOF_BYTES)
		return err_set(err, ST_BAD_DATABASE,
			       "The database's proof of its key is damaged.");
	if (!seal_has(s, version))
		return err_set(err, ST_BAD_KEY_FILE,
			       "The key file lacks key %lld, with which the "
			       "database was written.",
			       (long long)version);
	seal_place_begin(&place, "seal", version);
	if (!seal_decrypt(s, version, &place, proof, PROOF_BYTES, text) ||
	    memcmp(text, proof_text, sizeof text) != 0)
		return err_set(err, ST_BAD_KEY_FILE,
			       "Key %lld of the key file is not the one with "
			       "which the database was written.",
			       (long long)version);
	return ST_OK;
}

/* *known: whether the newest key has its line. */
static enum status check_proofs(sqlite3 *conn, const struct seal *s,
				bool *known, struct errinfo *err)
{
	sqlite3_stmt *row = NULL;
	enum status st = ST_OK;
	int rc = sqlite3_prepare_v2(conn, "SELECT version, proof FROM seal", -1,
				    &row, NULL);

	*known = false;
	while (rc == SQLITE_OK && st == ST_OK &&
	       (rc = sqlite3_step(row)) == SQLITE_ROW) {
		*known |= sqlite3_column_int64(row, 0) == seal_newest(s);
		st = check_proof(row, s, err);
		rc = SQLITE_OK;
	}
	if (st == ST_OK && rc != SQLITE_DONE)
		st = db_fail_to_open(conn, rc, "Reading the database's keys",
				     err);
	sqlite3_finalize(row);
	return st;
}

/* Whether anything was ever encrypted in the file: older ones have no such
 * table. */
static enum status has_seal(sqlite3 *conn, int64_t *sealed, struct errinfo *err)
{
	return db_schema_number(
		conn, "SELECT count(*) FROM sqlite_schema WHERE name = 'seal'",
		sealed, err);
}

enum status db_keys_fit(sqlite3 *conn, const char *key_file,
			struct errinfo *err)
{
	struct seal *s = NULL;
	int64_t sealed = 0;
	bool known;
	enum status st = has_seal(conn, &sealed, err);

	if (st == ST_OK && sealed > 0)
		st = seal_load(key_file, false, &s, err);
	if (st == ST_OK && sealed > 0)
		st = check_proofs(conn, s, &known, err);
	seal_free(s);
	return st;
}

enum status db_keys_load(struct db *db, sqlite3 *conn, struct errinfo *err)
{
	int64_t sealed = 0;
	bool known;
	enum status st = has_seal(conn, &sealed, err);

	/* A key made anew opens nothing that is there. */
	if (st == ST_OK)
		st = seal_load(db->key_path, sealed == 0 && conn == db->writer,
			       &db->seal, err);
	/* Before a migration may write with it. */
	if (st == ST_OK && sealed > 0)
		st = check_proofs(conn, db->seal, &known, err);
	db->reseal_due = true;
	return st;
}

/* A change of keys is an act of whoever has the key file. */
static enum status note_change(struct db *db, const char *action,
			       int64_t version, struct errinfo *err)
{
	struct db_by by = { .key_id = NULL };
	struct timespec now;
	char object[24];

	clock_gettime(CLOCK_REALTIME, &now);
	by.now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	(void)snprintf(object, sizeof object, "%lld", (long long)version);
	return db_audit_add(db, &by, action, 0, object, err);
}

/* Within a write transaction. */
static enum status adopt(struct db *db, const struct seal *s,
			 struct errinfo *err)
{
	sqlite3_stmt *add = db->stmt[DB_SQL_KEY_ADD];
	uint8_t proof[PROOF_BYTES];
	bool known;
	enum status st = check_proofs(db->writer, s, &known, err);

	if (st != ST_OK || known)
		return st;
	make_proof(s, proof);
	(void)sqlite3_bind_int64(add, 1, seal_newest(s));
	(void)sqlite3_bind_blob(add, 2, proof, sizeof proof, SQLITE_STATIC);
	st = db_run(db, DB_SQL_KEY_ADD, "Storing the new key's proof", err);
	return st == ST_OK
		       ? note_change(db, "rotate_begin", seal_newest(s), err)
		       : st;
}

enum status db_keys_adopt(struct db *db, const struct seal *s,
			  struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);

	if (st == ST_OK)
		st = db_write_end(db, adopt(db, s, err), false, err);
	return st;
}

static enum status take_up(struct db *db, struct errinfo *err)
{
	struct seal *fresh, *old;
	enum status st = seal_load(db->key_path, false, &fresh, err);

	if (st == ST_OK)
		st = db_keys_adopt(db, fresh, err);
	if (st != ST_OK) {
		seal_free(fresh);
		return st;
	}
	pthread_mutex_lock(&db->write_lock);
	pthread_mutex_lock(&db->read_lock);
	old = db->seal;
	db->seal = fresh;
	pthread_mutex_unlock(&db->read_lock);
	pthread_mutex_unlock(&db->write_lock);
	seal_free(old);
	db->reseal_due = true;
	db->resealed_people = db->resealed_templates = 0;
	db->resealed_crops = 0;
	log_line(LOG_INFO, "keys_changed", "newest=%lld",
		 (long long)seal_newest(fresh));
	return ST_OK;
}

/* Encrypts the next person again; *end when there is none. One that does not
 * decrypt is left as it is. */
static enum status reseal_person(struct db *db, int64_t *at, bool *end,
				 struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_OLD_PERSON];
	struct errinfo why;
	struct db_person p;
	enum status st = ST_OK;
	int rc;

	err_clear(&why);
	(void)sqlite3_bind_int64(s, 1, seal_newest(db->seal));
	(void)sqlite3_bind_int64(s, 2, *at);
	rc = sqlite3_step(s);
	*end = rc == SQLITE_DONE;
	if (rc == SQLITE_ROW) {
		*at = sqlite3_column_int64(s, 0);
		st = db_read_person(db, s, &p, &why);
	} else if (rc != SQLITE_DONE) {
		st = db_fail(db->writer, rc, "Reading the people", &why);
	}
	db_reset(s);
	if (st == ST_BAD_DATABASE && rc == SQLITE_ROW)
		return ST_OK;
	if (st != ST_OK)
		return err_set(err, st, "%s", why.text);
	return *end ? ST_OK : db_store_person(db, DB_SQL_PERSON_SET, &p, err);
}

static enum status store_template(struct db *db,
				  const struct db_template_row *row,
				  const struct face_template *t,
				  struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_TEMPLATE_SET];
	uint8_t sealed[TEMPLATE_SEALED_BYTES];

	db_encrypt_template(db->seal, row, t, sealed);
	(void)sqlite3_bind_int64(s, 1, row->id);
	(void)sqlite3_bind_int64(s, 2, seal_newest(db->seal));
	(void)sqlite3_bind_blob(s, 3, sealed, sizeof sealed, SQLITE_STATIC);
	return db_run(db, DB_SQL_TEMPLATE_SET, "Storing the template", err);
}

static enum status reseal_template(struct db *db, int64_t *at, bool *end,
				   struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_OLD_TEMPLATE];
	struct db_template_at found;
	struct face_template t;
	enum status st = ST_OK;
	bool whole = false;
	int rc;

	(void)sqlite3_bind_int64(s, 1, seal_newest(db->seal));
	(void)sqlite3_bind_int64(s, 2, *at);
	rc = sqlite3_step(s);
	*end = rc == SQLITE_DONE;
	if (rc == SQLITE_ROW) {
		*at = sqlite3_column_int64(s, 1);
		st = db_read_template(db, s, &found, &t, &whole, err);
	} else if (rc != SQLITE_DONE) {
		st = db_fail(db->writer, rc, "Reading the templates", err);
	}
	db_reset(s);
	if (st == ST_OK && whole)
		st = store_template(db, &found.row, &t, err);
	explicit_bzero(&t, sizeof t);
	return st;
}

static enum status reseal_some(struct db *db, bool *end, struct errinfo *err)
{
	int64_t people = db->resealed_people;
	int64_t templates = db->resealed_templates;
	int64_t crops = db->resealed_crops;
	enum status st = db_write_begin(db, true, err);
	bool no_person = false, no_template = false;

	*end = false;
	if (st != ST_OK)
		return st;
	for (int left = ROWS_AT_ONCE; st == ST_OK && !*end && left > 0;
	     left -= no_template ? CROP_ROWS : 1) {
		if (!no_person)
			st = reseal_person(db, &people, &no_person, err);
		else if (!no_template)
			st = reseal_template(db, &templates, &no_template, err);
		else
			st = db_reseal_crop(db, &crops, end, err);
	}
	if (st == ST_OK && *end) {
		(void)sqlite3_bind_int64(db->stmt[DB_SQL_KEYS_DROP], 1,
					 seal_newest(db->seal));
		st = db_run(db, DB_SQL_KEYS_DROP, "Dropping old keys", err);
		/* Encrypts the chain's ends with the new key as well. */
		if (st == ST_OK)
			st = note_change(db, "rotate_end",
					 seal_newest(db->seal), err);
		/* Backups are under keys that are going to leave the file. */
		if (st == ST_OK && sqlite3_changes(db->writer) > 0)
			st = db_forget_backups(db, err);
	}
	st = db_write_end(db, st, *end, err);
	if (st == ST_OK) {
		db->resealed_people = people;
		db->resealed_templates = templates;
		db->resealed_crops = crops;
	}
	return st;
}

enum status db_key_versions(struct db *db, int64_t *oldest, int64_t *newest,
			    struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_KEY_RANGE];
	enum status st = ST_OK;
	int rc;

	pthread_mutex_lock(&db->read_lock);
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		*oldest = sqlite3_column_int64(s, 0);
		*newest = sqlite3_column_int64(s, 1);
	} else {
		st = db_fail(db->reader, rc, "Reading the database's keys",
			     err);
	}
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

enum status db_reseal(struct db *db, bool *more, struct errinfo *err)
{
	int64_t oldest = 0, newest = 0;
	enum status st = ST_OK;
	bool end = false;

	*more = false;
	if (db->refuses)
		return ST_OK;
	if (seal_is_stale(db->seal, db->key_path))
		st = take_up(db, err);
	if (st != ST_OK || !db->reseal_due)
		return st;
	st = db_key_versions(db, &oldest, &newest, err);
	if (st == ST_OK && oldest != newest) {
		st = reseal_some(db, &end, err);
		*more = st == ST_OK && !end;
		if (end && st == ST_OK)
			log_line(LOG_INFO, "keys_in_use", "newest=%lld",
				 (long long)newest);
	}
	if (st == ST_OK)
		db->reseal_due = *more;
	return st;
}

enum status db_key_add(const struct db_options *opt, int64_t *newest,
		       struct errinfo *err)
{
	return seal_add_key(opt->key_file, newest, err);
}

enum status db_keys_drop(const struct db_options *opt, struct errinfo *err)
{
	return seal_keep_newest(opt->key_file, err);
}

static void sql_version(sqlite3_context *c, int n, sqlite3_value **v)
{
	(void)n;
	(void)v;
	sqlite3_result_int64(c, seal_newest(sqlite3_user_data(c)));
}

static void sql_proof(sqlite3_context *c, int n, sqlite3_value **v)
{
	uint8_t proof[PROOF_BYTES];

	(void)n;
	(void)v;
	make_proof(sqlite3_user_data(c), proof);
	sqlite3_result_blob(c, proof, sizeof proof, SQLITE_TRANSIENT);
}

/* False, with the failure as the function's result, when it does not fit. */
static bool value_text(sqlite3_context *c, sqlite3_value *v, char *out,
		       size_t cap)
{
	const unsigned char *text = sqlite3_value_text(v);
	size_t n = (size_t)sqlite3_value_bytes(v);

	if (!text)
		sqlite3_result_error_nomem(c);
	else if (n >= cap || memchr(text, 0, n))
		sqlite3_result_error(c, "a text does not fit", -1);
	else {
		memcpy(out, text, n);
		out[n] = 0;
		return true;
	}
	return false;
}

static void sql_chain(sqlite3_context *c, int n, sqlite3_value **v)
{
	uint8_t sealed[AUDITCHAIN_SEALED_BYTES];
	struct auditchain chain;

	(void)n;
	(void)v;
	auditchain_begin(&chain);
	auditchain_encrypt(sqlite3_user_data(c), &chain, sealed);
	explicit_bzero(&chain, sizeof chain);
	sqlite3_result_blob(c, sealed, sizeof sealed, SQLITE_TRANSIENT);
}

/* seal_person(key, id, groups, from, until, name, metadata, facility, number)
 */
static void sql_person(sqlite3_context *c, int n, sqlite3_value **v)
{
	struct db_person p = { .key = sqlite3_value_int64(v[0]),
			       .valid_from_ms = sqlite3_value_int64(v[3]),
			       .valid_until_ms = sqlite3_value_int64(v[4]),
			       .card = { sqlite3_value_int64(v[7]),
					 sqlite3_value_int64(v[8]) } };
	uint8_t sealed[PERSON_SEALED_MAX];

	(void)n;
	if (!value_text(c, v[1], p.id, sizeof p.id) ||
	    !value_text(c, v[2], p.groups, sizeof p.groups) ||
	    !value_text(c, v[5], p.name, sizeof p.name) ||
	    !value_text(c, v[6], p.metadata, sizeof p.metadata))
		return;
	sqlite3_result_blob(
		c, sealed,
		(int)db_encrypt_person(sqlite3_user_data(c), &p, sealed),
		SQLITE_TRANSIENT);
}

/* seal_template(person_key, id, model_id, vector, scale, length) */
static void sql_template(sqlite3_context *c, int n, sqlite3_value **v)
{
	const void *vector = sqlite3_value_blob(v[3]);
	struct face_template t = { .scale = (float)sqlite3_value_double(v[4]),
				   .length = (float)sqlite3_value_double(
					   v[5]) };
	char model[MODEL_ID_MAX];
	struct db_template_row row = { sqlite3_value_int64(v[0]),
				       sqlite3_value_int64(v[1]), model };
	uint8_t sealed[TEMPLATE_SEALED_BYTES];

	(void)n;
	if (!value_text(c, v[2], model, sizeof model))
		return;
	if (!vector || sqlite3_value_bytes(v[3]) != TEMPLATE_DIM) {
		sqlite3_result_error(c, "a vector has a wrong size", -1);
		return;
	}
	memcpy(t.v, vector, TEMPLATE_DIM);
	db_encrypt_template(sqlite3_user_data(c), &row, &t, sealed);
	sqlite3_result_blob(c, sealed, sizeof sealed, SQLITE_TRANSIENT);
}

enum status db_keys_functions(sqlite3 *conn, struct seal *s,
			      struct errinfo *err)
{
	static const struct {
		const char *name;
		int args;
		void (*run)(sqlite3_context *c, int n, sqlite3_value **v);
	} functions[] = { { "seal_version", 0, sql_version },
			  { "seal_proof", 0, sql_proof },
			  { "seal_chain", 0, sql_chain },
			  { "seal_person", 9, sql_person },
			  { "seal_template", 6, sql_template } };

	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
		int rc = sqlite3_create_function_v2(
			conn, functions[i].name, functions[i].args,
			SQLITE_UTF8 | SQLITE_DIRECTONLY, s,
			s ? functions[i].run : NULL, NULL, NULL, NULL);

		if (rc != SQLITE_OK)
			return db_fail(conn, rc, "Setting up the database",
				       err);
	}
	return ST_OK;
}
