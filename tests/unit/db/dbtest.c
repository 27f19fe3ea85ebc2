/* See dbtest.h. */
#include "dbtest.h"

#include <check.h>
#include <dirent.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

char test_dir[256];
size_t test_cache_bytes;
const struct db_by test_by = { NULL, 1700000000000 };

void test_path(const char *file, char out[512])
{
	(void)snprintf(out, 512, "%s/%s", test_dir, file);
}

void test_dir_make(void)
{
	const char *base = getenv("TMPDIR");

	test_cache_bytes = (size_t)256 * 1024;
	(void)snprintf(test_dir, sizeof test_dir, "%s/facegate-db-XXXXXX",
		       base && *base ? base : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(test_dir));
}

void test_dir_remove(void)
{
	DIR *dir = opendir(test_dir);
	struct dirent *entry;
	char path[512];

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		test_path(entry->d_name, path);
		ck_assert_int_eq(unlink(path), 0);
	}
	closedir(dir);
	ck_assert_int_eq(rmdir(test_dir), 0);
}

struct db_options test_options(void)
{
	static char key_file[512];

	test_path("facegate.key", key_file);
	return (struct db_options){ .dir = test_dir,
				    .key_file = key_file,
				    .cache_bytes = test_cache_bytes,
				    .heap_bytes = 2 * 1024 * 1024,
				    .log_max_rows = 1000,
				    .audit_max_rows = 1000,
				    .people_max = 100000,
				    .doors_max = 4 };
}

struct db *test_open(void)
{
	struct db_options opt = test_options();
	struct errinfo err = { 0 };
	struct db *db = NULL;
	enum status st = db_open(&opt, &db, &err);

	ck_assert_msg(st == ST_OK, "%s: %s", status_code(st), err.text);
	ck_assert_ptr_nonnull(db);
	return db;
}

enum status test_try_open(struct errinfo *err)
{
	struct db_options opt = test_options();
	struct db *db = NULL;
	enum status st;

	err_clear(err);
	st = db_open(&opt, &db, err);
	ck_assert_int_eq(st == ST_OK, db != NULL);
	db_close(db);
	return st;
}

void test_template(const char *id, unsigned n, struct face_template *out)
{
	unsigned x = 2166136261U + n;

	for (const char *p = id; *p; p++)
		x = (x ^ (unsigned char)*p) * 16777619U;
	for (size_t i = 0; i < TEMPLATE_DIM; i++) {
		x = x * 1664525U + 1013904223U;
		out->v[i] = (int8_t)((int)(x >> 24) - 128);
	}
	out->scale = 0.001F + (float)(x >> 20) * 1e-6F;
	out->length = 5.0F + (float)n;
}

enum status test_enroll(struct db *db, const char *id, const char *name,
			bool replace)
{
	struct face_template t[TEST_PER_PERSON];
	int64_t key, ids[TEST_PER_PERSON];

	for (unsigned i = 0; i < TEST_PER_PERSON; i++)
		test_template(id, i, &t[i]);
	return db_enroll(db,
			 &(struct db_enrolment){ .person_id = id,
						 .name = name,
						 .replace = replace,
						 .model_id = TEST_MODEL,
						 .templates = t,
						 .count = TEST_PER_PERSON,
						 .by.now_ms = 1700000000000 },
			 &key, ids, NULL);
}

struct match_event test_event(const char *person, const char *door,
			      const char *decision, double score)
{
	struct match_event ev = { .at_ms = 1700000000000,
				  .route = "verify",
				  .reason = "match",
				  .score = score,
				  .threshold = 0.4,
				  .model_id = TEST_MODEL,
				  .request_id = "r-1",
				  .total_us = 12345,
				  .pool_peak_bytes = 1180000 };

	(void)snprintf(ev.person_id, sizeof ev.person_id, "%s", person);
	(void)snprintf(ev.door_id, sizeof ev.door_id, "%s", door);
	(void)snprintf(ev.decision, sizeof ev.decision, "%s", decision);
	return ev;
}

struct walk {
	struct db_person *people;
	size_t count, templates;
	const char *wrong;
};

static enum status check_row(void *ctx, int64_t key, int64_t id,
			     const struct face_template *t)
{
	struct walk *w = ctx;
	struct face_template want;
	bool known = false;

	(void)id;
	w->templates++;
	for (size_t p = 0; p < w->count; p++) {
		if (w->people[p].key != key)
			continue;
		for (unsigned n = 0; n < TEST_PER_PERSON; n++) {
			test_template(w->people[p].id, n, &want);
			known |= memcmp(want.v, t->v, TEMPLATE_DIM) == 0 &&
				 fabsf(want.scale - t->scale) < 1e-9F &&
				 fabsf(want.length - t->length) < 1e-6F;
		}
	}
	if (!known)
		w->wrong = "a template belongs to nobody or has wrong bytes";
	return ST_OK;
}

size_t test_check_whole(struct db *db)
{
	enum { MANY = 4096 };
	struct walk w = { 0 };

	w.people = calloc(MANY, sizeof *w.people);
	ck_assert_ptr_nonnull(w.people);
	ck_assert_int_eq(db_people_list(db, "", w.people, MANY, &w.count, NULL),
			 ST_OK);
	for (size_t i = 0; i < w.count; i++)
		ck_assert_int_eq(w.people[i].templates, TEST_PER_PERSON);
	ck_assert_int_eq(db_templates_each(db, TEST_MODEL, check_row, &w, NULL),
			 ST_OK);
	ck_assert_msg(!w.wrong, "%s", w.wrong);
	ck_assert_uint_eq(w.templates, w.count * TEST_PER_PERSON);
	free(w.people);
	return w.count;
}

static bool file_holds(const char *path, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "rb");
	char *all;
	long size;
	bool found;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
	size = ftell(f);
	ck_assert_int_ge(size, 0);
	rewind(f);
	all = malloc((size_t)size + 1);
	ck_assert_ptr_nonnull(all);
	ck_assert_uint_eq(fread(all, 1, (size_t)size, f), (size_t)size);
	found = memmem(all, (size_t)size, bytes, n) != NULL;
	free(all);
	(void)fclose(f);
	return found;
}

/* Reading the file closes a descriptor of it, which drops this process's
 * POSIX locks: fine here, since no other process is about. */
bool test_folder_holds(const void *bytes, size_t n)
{
	DIR *dir = opendir(test_dir);
	struct dirent *entry;
	bool found = false;
	char path[512];

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		test_path(entry->d_name, path);
		found |= file_holds(path, bytes, n);
	}
	closedir(dir);
	return found;
}

size_t test_blob(struct db *db, const char *sql, const char *id, void *out,
		 size_t cap)
{
	sqlite3_stmt *s = NULL;
	size_t n = 0;

	ck_assert_int_eq(sqlite3_prepare_v2(db->reader, sql, -1, &s, NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC),
			 SQLITE_OK);
	if (sqlite3_step(s) == SQLITE_ROW) {
		n = (size_t)sqlite3_column_bytes(s, 0);
		ck_assert_uint_gt(n, 0);
		n = n < cap ? n : cap;
		memcpy(out, sqlite3_column_blob(s, 0), n);
	}
	sqlite3_finalize(s);
	return n;
}

void test_sql(const char *sql)
{
	char path[512];
	char *message = NULL;
	sqlite3 *conn = NULL;

	test_path("facegate.db", path);
	ck_assert_int_eq(sqlite3_open(path, &conn), SQLITE_OK);
	if (sqlite3_exec(conn, sql, NULL, NULL, &message) != SQLITE_OK)
		ck_abort_msg("%s", message);
	ck_assert_int_eq(sqlite3_close(conn), SQLITE_OK);
}

int test_people_in(const char *backup)
{
	sqlite3_stmt *s = NULL;
	sqlite3 *conn = NULL;
	int people;

	ck_assert_int_eq(
		sqlite3_open_v2(backup, &conn, SQLITE_OPEN_READONLY, "unix"),
		SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(conn, "PRAGMA integrity_check", -1,
					    &s, NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
	ck_assert_str_eq((const char *)sqlite3_column_text(s, 0), "ok");
	sqlite3_finalize(s);
	ck_assert_int_eq(sqlite3_prepare_v2(conn, "SELECT count(*) FROM people",
					    -1, &s, NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
	people = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(conn);
	return people;
}
