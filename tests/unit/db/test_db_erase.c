/* What is deleted is gone from the file, the WAL and the shared memory file,
 * byte for byte. The crowd is made so that SQLite moves cells between pages
 * while it grows: ids in random order, and names that change their length.
 */
#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "dbtest.h"
#include "faultvfs.h"

Suite *suite_db_erase(void);

enum { CROWD = 1500, STEP = 3 };

#define MARK "doomed" /* in the id and the name of every STEP-th person */

/* The seed is one with which copies of doomed rows do stay behind when either
 * the page cleaner or the dropping of cached pages is taken out of the store;
 * most seeds need neither. */
static unsigned mix(unsigned i)
{
	i += 8000024U;
	i = (i ^ 61U) ^ (i >> 16);
	i *= 9U;
	i ^= i >> 4;
	i *= 0x27d4eb2dU;
	return i ^ (i >> 15);
}

static void crowd_id(unsigned i, char out[48])
{
	(void)snprintf(out, 48, "%08x-%s-%u", mix(i),
		       i % STEP == 0 ? MARK : "stays", i);
}

static void crowd_name(unsigned i, unsigned version, char out[PERSON_NAME_MAX])
{
	int pad = (int)(mix(i * 7 + version) % (version ? 100 : 20));

	(void)snprintf(out, PERSON_NAME_MAX, "%s-%u-%*s",
		       i % STEP == 0 ? MARK : "stays", i, pad, ".");
}

static void add_log_row(struct db *db, const char *person)
{
	struct match_event ev = test_event(person, "north", "allow", 0.5);
	int64_t id;

	ck_assert_int_eq(db_log_add(db, &ev, &id, NULL), ST_OK);
}

static void make_crowd(struct db *db)
{
	char id[48], name[PERSON_NAME_MAX];

	for (unsigned i = 0; i < CROWD; i++) {
		crowd_id(i, id);
		crowd_name(i, 0, name);
		ck_assert_int_eq(test_enroll(db, id, name, false), ST_OK);
		add_log_row(db, id);
		for (unsigned k = 1; k < 3; k++) {
			unsigned who = mix(3 * i + k) % (i + 1);

			crowd_id(who, id);
			crowd_name(who, i, name);
			ck_assert_int_eq(test_enroll(db, id, name, false),
					 ST_OK);
		}
	}
}

/* The encrypted rows of some of the doomed, as they were last written. */
enum { SAMPLES = CROWD / STEP / 10, PIECE = 48 };
static char samples[2 * SAMPLES][PIECE];

static void take_samples(struct db *db)
{
	char id[48];

	for (unsigned k = 0; k < SAMPLES; k++) {
		crowd_id(10 * STEP * k, id);
		ck_assert_uint_eq(
			test_blob(db, "SELECT sealed FROM people WHERE id = ?1",
				  id, samples[2 * k], PIECE),
			PIECE);
		ck_assert_uint_eq(
			test_blob(db,
				  "SELECT sealed FROM templates WHERE "
				  "person_key = (SELECT key FROM people "
				  "WHERE id = ?1)",
				  id, samples[2 * k + 1], PIECE),
			PIECE);
	}
}

static unsigned samples_left(void)
{
	unsigned found = 0;

	for (unsigned k = 0; k < 2 * SAMPLES; k++)
		found += test_folder_holds(samples[k], PIECE);
	return found;
}

START_TEST(deleted_people_leave_no_byte_in_any_file)
{
	char id[48], name[PERSON_NAME_MAX];
	struct db *db = test_open();
	int64_t key;

	make_crowd(db);
	ck_assert(test_folder_holds(MARK, strlen(MARK)));
	take_samples(db);
	ck_assert_uint_eq(samples_left(), 2 * SAMPLES);
	for (unsigned i = 0; i < CROWD; i += STEP) {
		crowd_id(i, id);
		ck_assert_int_eq(db_person_delete(db, id, &test_by, &key, NULL),
				 ST_OK);
	}
	ck_assert(!test_folder_holds(MARK, strlen(MARK)));
	/* Pages of the others are written again: nothing may come back from
	 * the page cache into the WAL. */
	for (unsigned i = 1; i < CROWD; i += STEP) {
		crowd_id(i, id);
		crowd_name(i, CROWD, name);
		ck_assert_int_eq(test_enroll(db, id, name, false), ST_OK);
	}
	ck_assert(!test_folder_holds(MARK, strlen(MARK)));
	ck_assert_uint_eq(samples_left(), 0);
	db_close(db);
	ck_assert(!test_folder_holds(MARK, strlen(MARK)));
}
END_TEST

START_TEST(replaced_templates_leave_no_byte_in_any_file)
{
	struct db *db = test_open();
	static const char find[] = "SELECT sealed FROM templates WHERE "
				   "person_key = (SELECT key FROM people "
				   "WHERE id = ?1)";
	struct face_template t;
	int64_t key, id;
	char other[16], old[PIECE], fresh[PIECE];

	ck_assert_int_eq(test_enroll(db, "a", "Ada", false), ST_OK);
	for (int i = 0; i < 50; i++) {
		(void)snprintf(other, sizeof other, "b%d", i);
		ck_assert_int_eq(test_enroll(db, other, NULL, false), ST_OK);
	}
	ck_assert_uint_eq(test_blob(db, find, "a", old, PIECE), PIECE);
	ck_assert(test_folder_holds(old, PIECE));
	test_template("a", 9, &t);
	ck_assert_int_eq(
		db_enroll(db,
			  &(struct db_enrolment){ .person_id = "a",
						  .name = NULL,
						  .replace = true,
						  .model_id = TEST_MODEL,
						  .templates = &t,
						  .count = 1,
						  .by.now_ms = 1 },
			  &key, &id, NULL),
		ST_OK);
	ck_assert_uint_eq(test_blob(db, find, "a", fresh, PIECE), PIECE);
	ck_assert(!test_folder_holds(old, PIECE));
	ck_assert(test_folder_holds(fresh, PIECE));
	db_close(db);
}
END_TEST

START_TEST(match_log_forgets_a_deleted_person)
{
	struct db *db = test_open();
	struct log_filter f = { .min_score = 0 };
	struct match_event rows[8];
	size_t count;
	int64_t key;

	ck_assert_int_eq(test_enroll(db, "gone", NULL, false), ST_OK);
	/* More rows than are cleared at a time. */
	for (int i = 0; i < 200; i++)
		add_log_row(db, "gone");
	add_log_row(db, "stays");
	ck_assert_int_eq(db_person_delete(db, "gone", &test_by, &key, NULL),
			 ST_OK);
	(void)snprintf(f.person_id, sizeof f.person_id, "gone");
	ck_assert_int_eq(db_log_list(db, &f, rows, 8, &count, NULL), ST_OK);
	ck_assert_uint_eq(count, 0);
	(void)snprintf(f.person_id, sizeof f.person_id, "stays");
	ck_assert_int_eq(db_log_list(db, &f, rows, 8, &count, NULL), ST_OK);
	ck_assert_uint_eq(count, 1);
	f.person_id[0] = 0;
	ck_assert_int_eq(db_log_list(db, &f, rows, 8, &count, NULL), ST_OK);
	ck_assert_uint_eq(count, 8);
	ck_assert_str_eq(rows[0].person_id, "stays");
	ck_assert_str_eq(rows[1].person_id, "");
	ck_assert_str_eq(rows[1].door_id, "north");
	db_close(db);
}
END_TEST

/* Another program's open transaction keeps the WAL from being truncated. The
 * deletion stands, and the next write after it is gone does the wiping. */
START_TEST(delayed_wiping_is_made_up_for)
{
	struct db *db = test_open();
	sqlite3 *other = NULL;
	char path[512];
	int64_t key;

	ck_assert_int_eq(test_enroll(db, "planted-id", "Ada", false), ST_OK);
	test_path("facegate.db", path);
	ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(other,
				      "BEGIN; SELECT count(*) FROM people",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	ck_assert_int_eq(
		db_person_delete(db, "planted-id", &test_by, &key, NULL),
		ST_OK);
	ck_assert_int_eq(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(other), SQLITE_OK);
	ck_assert(test_folder_holds("planted-id", 10));
	ck_assert_int_eq(db_writable(db, NULL), ST_OK);
	ck_assert(!test_folder_holds("planted-id", 10));
	db_close(db);
}
END_TEST

/* A large cache keeps pages with uncleaned gaps. Nothing fails in the fault
 * layer here; it saves the time of thousands of real syncs. */
static void install(void)
{
	test_dir_make();
	test_cache_bytes = (size_t)4 * 1024 * 1024;
	fault_install();
}

static void uninstall(void)
{
	fault_remove();
	test_dir_remove();
}

Suite *suite_db_erase(void)
{
	Suite *s = suite_create("db_erase");
	TCase *tc = tcase_create("erase");

	tcase_add_checked_fixture(tc, install, uninstall);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, deleted_people_leave_no_byte_in_any_file);
	tcase_add_test(tc, replaced_templates_leave_no_byte_in_any_file);
	tcase_add_test(tc, match_log_forgets_a_deleted_person);
	tcase_add_test(tc, delayed_wiping_is_made_up_for);
	suite_add_tcase(s, tc);
	return s;
}
