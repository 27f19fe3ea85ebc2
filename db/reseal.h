/* How the store's opening meets the key file. */
#ifndef FACEGATE_DB_RESEAL_H
#define FACEGATE_DB_RESEAL_H

#include <sqlite3.h>

#include "seal.h"
#include "status.h"

struct db;

/* Reads db->key_path into db->seal. The writer makes the file when nothing has
 * been encrypted yet. ST_BAD_KEY_FILE when it has not the keys that the
 * database was written with. */
enum status db_keys_load(struct db *db, sqlite3 *conn,
			 struct errinfo *err) MUST_CHECK;
/* ST_BAD_KEY_FILE when the keys of that file do not open what conn has. */
enum status db_keys_fit(sqlite3 *conn, const char *key_file,
			struct errinfo *err) MUST_CHECK;
/* Checks that again for another keyring, and puts the proof of its newest key
 * into the database. */
enum status db_keys_adopt(struct db *db, const struct seal *s,
			  struct errinfo *err) MUST_CHECK;
/* What the migrations encrypt with, as SQL functions of conn; with NULL they
 * are taken away. */
enum status db_keys_functions(sqlite3 *conn, struct seal *s,
			      struct errinfo *err) MUST_CHECK;

#endif
