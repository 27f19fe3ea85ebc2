/* Every file operation of the store fails in turn, and the power too. After
 * each failure the status is the right one, the handle still works, nothing
 * acknowledged is lost and nobody is half there.
 */
#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "dbscript.h"
#include "faultvfs.h"

Suite *suite_db_faults(void);

static const struct fault_case {
	unsigned kinds;
	bool forever;
	int code;
	enum status status;
} cases[] = {
	{ FAULT_WRITE, false, SQLITE_IOERR_WRITE, ST_IO_ERROR },
	{ FAULT_WRITE, true, SQLITE_IOERR_WRITE, ST_IO_ERROR },
	{ FAULT_WRITE, false, SQLITE_FULL, ST_DISK_FULL },
	{ FAULT_WRITE, true, SQLITE_FULL, ST_DISK_FULL },
	{ FAULT_WRITE, true, SQLITE_READONLY, ST_IO_ERROR },
	{ FAULT_SYNC, false, SQLITE_IOERR_FSYNC, ST_IO_ERROR },
	{ FAULT_SYNC, true, SQLITE_IOERR_FSYNC, ST_IO_ERROR },
	{ FAULT_TRUNCATE, true, SQLITE_IOERR_TRUNCATE, ST_IO_ERROR },
	{ FAULT_WRITE, false, SQLITE_IOERR_NOMEM, ST_NO_MEMORY },
	{ FAULT_WRITE | FAULT_SYNC | FAULT_TRUNCATE, true, SQLITE_FULL,
	  ST_DISK_FULL },
};

/* The operations that the steps take, about. */
#define POWER_CUTS 60

#define CASES ((int)(sizeof cases / sizeof *cases))

/* One run of the steps with the nth operation failing; false when there are
 * fewer than n operations. */
static bool run_with_fault(const struct fault_case *c, int n)
{
	struct script_truth t;
	struct db *db;
	bool hit;

	script_start_over(&t);
	db = test_open();
	fault_plan = (struct fault_plan){ c->kinds, n, c->forever, c->code };
	for (int step = 0; step < SCRIPT_STEPS; step++) {
		enum status st = script_step(db, &t, step);

		if (st == ST_OK)
			continue;
		ck_assert_msg(st == c->status, "%s", status_code(st));
		/* Reading goes on while nothing can be written. */
		script_check(db, &t);
		hit = fault_hit;
		fault_disarm();
		fault_hit = hit;
		ck_assert_int_eq(script_step(db, &t, step), ST_OK);
	}
	hit = fault_hit;
	db_close(db);
	fault_disarm();
	db = test_open();
	script_check(db, &t);
	db_close(db);
	return hit;
}

START_TEST(failing_file_operation_loses_and_halves_nothing)
{
	int n = 1;

	while (run_with_fault(&cases[_i], n))
		n++;
	/* The loop did meet operations of this kind. */
	ck_assert_int_gt(n, 2);
}
END_TEST

START_TEST(failing_file_operation_at_open_is_told_and_harmless)
{
	const unsigned kinds[] = { FAULT_OPEN, FAULT_READ,     FAULT_WRITE,
				   FAULT_SYNC, FAULT_TRUNCATE, FAULT_SHARED };
	struct errinfo err;
	struct db *db;
	enum status st;

	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		int n = 0;

		do {
			test_dir_remove();
			test_dir_make();
			fault_disarm();
			fault_plan = (struct fault_plan){ kinds[k], ++n, _i,
							  SQLITE_IOERR };
			st = test_try_open(&err);
			ck_assert_msg(st == ST_OK || st == ST_IO_ERROR, "%s",
				      status_code(st));
			if (!fault_hit)
				ck_assert_int_eq(st, ST_OK);
			fault_plan.countdown = 0;
			/* The next start finds a good file. */
			db = test_open();
			ck_assert_int_eq(test_enroll(db, "a", NULL, false),
					 ST_OK);
			db_close(db);
		} while (fault_hit);
		ck_assert_int_gt(n, 2);
	}
}
END_TEST

START_TEST(failing_read_is_told_and_passes)
{
	struct match_event row;
	struct script_truth t;
	struct db *db;
	int n = 0;

	do {
		struct db_person p;
		enum status st;
		bool found;

		script_start_over(&t);
		db = test_open();
		ck_assert_int_eq(script_enroll(db, &t, 0, false), ST_OK);
		db_close(db);
		db = test_open();
		fault_disarm();
		fault_plan = (struct fault_plan){ FAULT_READ, ++n, false,
						  SQLITE_IOERR_READ };
		st = db_person_get(db, "p0", &p, NULL);
		if (st == ST_OK)
			st = db_log_get(db, 1, &row, &found, NULL);
		if (st == ST_OK)
			st = script_enroll(db, &t, 0, true);
		ck_assert(st == ST_OK || st == ST_IO_ERROR);
		fault_plan.countdown = 0;
		script_check(db, &t);
		ck_assert_int_eq(script_enroll(db, &t, 1, true), ST_OK);
		db_close(db);
	} while (fault_hit);
	ck_assert_int_gt(n, 2);
}
END_TEST

/* The space that the WAL takes is given back, so deleting works on a disk that
 * has no room for another byte. */
START_TEST(full_disk_still_lets_people_be_deleted)
{
	struct db *db = test_open();
	enum status st = ST_OK;
	struct db_person p;
	int64_t key;
	char id[16];
	int n;

	fault_wal_bytes_max = 200000;
	for (n = 0; n < 100 && st == ST_OK; n++) {
		(void)snprintf(id, sizeof id, "p%d", n);
		st = test_enroll(db, id, NULL, false);
	}
	ck_assert_int_eq(st, ST_DISK_FULL);
	ck_assert_int_eq(db_person_get(db, id, &p, NULL), ST_NO_SUCH_PERSON);
	ck_assert_int_eq(db_person_delete(db, "p0", &test_by, &key, NULL),
			 ST_OK);
	ck_assert_int_eq(test_enroll(db, id, NULL, false), ST_OK);
	ck_assert_uint_eq(test_check_whole(db), (size_t)n - 1);
	db_close(db);
}
END_TEST

START_TEST(enrolment_syncs_the_wal_and_log_rows_do_not)
{
	struct db *db = test_open();
	unsigned wal, file;

	ck_assert_int_eq(test_enroll(db, "a", NULL, false), ST_OK);
	for (int i = 0; i < 5; i++) {
		wal = fault_wal_syncs;
		file = fault_db_syncs;
		ck_assert_int_eq(script_log_row(db), ST_OK);
		ck_assert_int_eq(script_log_row(db), ST_OK);
		ck_assert_uint_eq(fault_wal_syncs, wal);
		ck_assert_uint_eq(fault_db_syncs, file);
		ck_assert_int_eq(test_enroll(db, "b", NULL, false), ST_OK);
		ck_assert_uint_gt(fault_wal_syncs, wal);
	}
	db_close(db);
}
END_TEST

/* Loop: the operation at which the power fails, each several times with other
 * losses; the environment's CUTS asks for more of them in all. */
START_TEST(power_cut_loses_nothing_acknowledged)
{
	const char *wanted = getenv("CUTS");
	unsigned long times =
		wanted ? strtoul(wanted, NULL, 10) / POWER_CUTS + 1 : 0;

	for (unsigned seed = 1; seed <= 5 || seed <= times; seed++) {
		struct script_truth t;
		struct db *db;

		script_start_over(&t);
		db = test_open();
		fault_power_on(_i + 1);
		for (int step = 0; step < SCRIPT_STEPS; step++)
			(void)script_step(db, &t, step);
		ck_assert(fault_power_failed());
		db_close(db);
		fault_power_settle(seed * 7919U + (unsigned)_i);
		db = test_open();
		script_check(db, &t);
		db_close(db);
	}
}
END_TEST

Suite *suite_db_faults(void)
{
	Suite *s = suite_create("db_faults");
	TCase *files = tcase_create("files");

	tcase_add_checked_fixture(files, test_dir_make, test_dir_remove);
	tcase_add_checked_fixture(files, fault_install, fault_remove);
	tcase_set_timeout(files, 120);
	tcase_add_loop_test(files,
			    failing_file_operation_loses_and_halves_nothing, 0,
			    CASES);
	tcase_add_loop_test(files,
			    failing_file_operation_at_open_is_told_and_harmless,
			    0, 2);
	tcase_add_test(files, failing_read_is_told_and_passes);
	tcase_add_test(files, full_disk_still_lets_people_be_deleted);
	tcase_add_test(files, enrolment_syncs_the_wal_and_log_rows_do_not);
	tcase_add_loop_test(files, power_cut_loses_nothing_acknowledged, 0,
			    POWER_CUTS);
	suite_add_tcase(s, files);
	return s;
}
