/* Shared by the tests of the store: a folder of its own for each test, and
 * persons whose template bytes follow from their id, so that a mix-up shows.
 */
#ifndef FACEGATE_TEST_DBTEST_H
#define FACEGATE_TEST_DBTEST_H

#include <stdbool.h>
#include <stddef.h>

#include "db.h"

#define TEST_MODEL	"test@00000001"
#define TEST_PER_PERSON 2

extern char test_dir[256];	   /* set by test_dir_make */
extern const struct db_by test_by; /* no key, at no time of note */
extern size_t
	test_cache_bytes; /* for test_options; test_dir_make sets it back */

/* Checked fixtures. */
void test_dir_make(void);
void test_dir_remove(void);

struct db_options test_options(void);
struct db *test_open(void); /* fails the test unless ST_OK */
enum status test_try_open(struct errinfo *err); /* closes again at once */

void test_template(const char *id, unsigned n, struct face_template *out);
/* Stores TEST_PER_PERSON templates. */
enum status test_enroll(struct db *db, const char *id, const char *name,
			bool replace);
struct match_event test_event(const char *person, const char *door,
			      const char *decision, double score);

/* Fails the test unless every stored person has TEST_PER_PERSON templates
 * with the right bytes. Returns the number of persons. */
size_t test_check_whole(struct db *db);

/* Whether any file in the folder holds these bytes. */
bool test_folder_holds(const void *bytes, size_t n);
/* The encrypted bytes that SQL finds, at most cap; returns their number, 0 when
 * there is no such row. Reads beside the open store. */
size_t test_blob(struct db *db, const char *sql, const char *id, void *out,
		 size_t cap);
/* Opens the file apart from the store; close the store first. */
void test_sql(const char *sql);
/* How many people a backup has; fails the test unless it is sound. */
int test_people_in(const char *backup);
void test_path(const char *file, char out[512]);

#endif
