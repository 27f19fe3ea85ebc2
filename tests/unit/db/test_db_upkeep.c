/* The automatic backup is made while people come and go: it has whoever was
 * there at its end, and nobody who was erased.
 */
#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dbtest.h"
#include "internal.h"

Suite *suite_db_upkeep(void);

enum { CROWD = 1500 };
#define MINUTE_MS ((int64_t)60000)

static int64_t now_ms;
static char backup[512];

static struct db *open_with_backup(void)
{
	struct db_options opt = test_options();
	struct db *db = NULL;

	test_path("facegate.backup", backup);
	opt.backup_file = backup;
	opt.backup_minutes = 60;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	return db;
}

static void enrol(struct db *db, int i)
{
	char id[32];

	(void)snprintf(id, sizeof id, "person-%05d", i);
	ck_assert_int_eq(test_enroll(db, id, "Somebody", false), ST_OK);
}

static void erase(struct db *db, int i)
{
	char id[32];
	int64_t key;

	(void)snprintf(id, sizeof id, "person-%05d", i);
	ck_assert_int_eq(db_person_delete(db, id, &test_by, &key, NULL), ST_OK);
}

static bool step(struct db *db)
{
	bool more;

	db_upkeep(db, now_ms, &more);
	return more;
}

static bool there_is_a_backup(void)
{
	return access(backup, F_OK) == 0;
}

/* Until a copy is under way. */
static void begin(struct db *db)
{
	(void)step(db);
	now_ms += 61 * MINUTE_MS;
	ck_assert(step(db));
}

static void end(struct db *db)
{
	int steps = 1;

	while (step(db))
		steps++;
	ck_assert_int_gt(steps, 2);
	ck_assert(there_is_a_backup());
}

/* Opens the backup in the place of the database, and closes it again. */
static size_t people_in_backup(void)
{
	struct db_options opt = test_options();
	char kept[DB_KEPT_MAX];
	struct db *db;
	size_t count;

	ck_assert_int_eq(db_restore(&opt, backup, kept, NULL), ST_OK);
	db = test_open();
	count = test_check_whole(db);
	db_close(db);
	return count;
}

static struct db *crowd(void)
{
	struct db *db = open_with_backup();

	now_ms = 1700000000000;
	for (int i = 0; i < CROWD; i++)
		enrol(db, i);
	return db;
}

START_TEST(what_is_enrolled_during_the_copy_is_in_it)
{
	struct db *db = crowd();
	int i = CROWD;

	begin(db);
	do
		enrol(db, i++);
	while (step(db));
	ck_assert_int_gt(i, CROWD + 2);
	ck_assert(there_is_a_backup());
	db_close(db);
	ck_assert_uint_eq(people_in_backup(), (size_t)i);
}
END_TEST

START_TEST(an_erasure_ends_the_copy_and_removes_the_backup)
{
	static const char find[] = "SELECT sealed FROM people WHERE id = ?1";
	struct db *db = crowd();
	char row[48];

	begin(db);
	end(db);
	ck_assert(!step(db));
	enrol(db, CROWD);
	begin(db);
	ck_assert_uint_eq(test_blob(db, find, "person-00007", row, sizeof row),
			  sizeof row);
	ck_assert(test_folder_holds(row, sizeof row));
	erase(db, 7);
	ck_assert(!there_is_a_backup());
	ck_assert(!test_folder_holds(row, sizeof row));
	ck_assert(!test_folder_holds("person-00007", 12));
	/* Not before a minute has passed without another. */
	ck_assert(!step(db));
	now_ms += MINUTE_MS - 1;
	erase(db, 8);
	ck_assert(!step(db));
	now_ms += MINUTE_MS - 1;
	ck_assert(!step(db));
	now_ms += 1;
	ck_assert(step(db));
	end(db);
	ck_assert(!test_folder_holds("person-00007", 12));
	db_close(db);
	ck_assert_uint_eq(people_in_backup(), CROWD - 1);
}
END_TEST

START_TEST(a_copy_that_the_end_cuts_short_is_removed)
{
	struct db *db = crowd();
	char fresh[544];

	begin(db);
	(void)snprintf(fresh, sizeof fresh, "%s.new", backup);
	ck_assert_int_eq(access(fresh, F_OK), 0);
	db_close(db);
	ck_assert_int_ne(access(fresh, F_OK), 0);
	/* Nor does one stay that a killed process has left. */
	ck_assert_int_eq(symlink("nothing", fresh), 0);
	db = open_with_backup();
	ck_assert_int_ne(unlink(fresh), 0);
	begin(db);
	end(db);
	db_close(db);
	ck_assert_uint_eq(people_in_backup(), CROWD);
}
END_TEST

START_TEST(no_other_file_is_replaced_or_removed)
{
	struct db_options opt = test_options();
	struct db *db = crowd();
	char key_file[512];

	db_close(db);
	test_path("facegate.key", key_file);
	opt.backup_file = key_file;
	opt.backup_minutes = 60;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	(void)step(db);
	now_ms += 61 * MINUTE_MS;
	(void)step(db);
	erase(db, 1);
	db_close(db);
	test_path("facegate.db", backup);
	opt.backup_file = backup;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_BAD_CONFIG);
	db = test_open(); /* with the key that is still there */
	ck_assert_uint_eq(test_check_whole(db), CROWD - 1);
	db_close(db);
}
END_TEST

START_TEST(a_clock_that_is_set_back_delays_no_backup)
{
	struct db *db = open_with_backup();

	enrol(db, 1);
	now_ms = 1900000000000;
	(void)step(db);
	now_ms = 1000000000000;
	(void)step(db);
	now_ms += MINUTE_MS;
	(void)step(db);
	ck_assert(there_is_a_backup());
	db_close(db);
}
END_TEST

Suite *suite_db_upkeep(void)
{
	Suite *s = suite_create("db_upkeep");
	TCase *tc = tcase_create("backup");

	tcase_add_checked_fixture(tc, test_dir_make, test_dir_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, what_is_enrolled_during_the_copy_is_in_it);
	tcase_add_test(tc, an_erasure_ends_the_copy_and_removes_the_backup);
	tcase_add_test(tc, a_copy_that_the_end_cuts_short_is_removed);
	tcase_add_test(tc, no_other_file_is_replaced_or_removed);
	tcase_add_test(tc, a_clock_that_is_set_back_delays_no_backup);
	suite_add_tcase(s, tc);
	return s;
}
