/* Every allocation of the store, SQLite's among them, fails in turn: the status
 * is the right one, the handle still works, nothing acknowledged is lost and
 * nobody is half there. And the heap limit holds.
 */
#include <check.h>
#include <math.h>
#include <sqlite3.h>

#include "dbscript.h"
#include "faultcalls.h"
#include "faultvfs.h"

Suite *suite_db_memory(void);

static void fail_allocation(int n, bool forever)
{
	fault_disarm();
	fault_plan = (struct fault_plan){ FAULT_MEMORY, n, forever,
					  SQLITE_NOMEM };
}

/* Loop: 0 one allocation fails, 1 all from it on. */
START_TEST(failing_allocation_at_open_is_told_and_harmless)
{
	struct script_truth t = { { PRESENT, ABSENT, ABSENT } };
	struct db *db = test_open();
	enum status st;
	int n = 0;

	ck_assert_int_eq(test_enroll(db, "p0", NULL, false), ST_OK);
	db_close(db);
	do {
		struct errinfo err;

		fail_allocation(++n, _i);
		st = test_try_open(&err);
		if (fault_hit)
			ck_assert_msg(st == ST_NO_MEMORY || st == ST_OK,
				      "%s %s", status_code(st), err.text);
		else
			ck_assert_int_eq(st, ST_OK);
		fault_plan.countdown = 0;
	} while (fault_hit);
	ck_assert_int_gt(n, 100);
	db = test_open();
	script_check(db, &t);
	db_close(db);
}
END_TEST

static enum status read_some(struct db *db)
{
	struct log_filter f = { .person_id = "p0", .min_score = NAN };
	struct match_event rows[4];
	struct db_person people[4];
	size_t count;
	enum status st = db_log_list(db, &f, rows, 4, &count, NULL);

	if (st == ST_OK)
		st = db_people_list(db, "", people, 4, &count, NULL);
	return st;
}

START_TEST(failing_allocation_loses_and_halves_nothing)
{
	struct script_truth t;
	struct db *db;
	int n = 0;

	script_start_over(&t);
	db = test_open();
	do {
		bool met = false;

		fail_allocation(++n, _i);
		for (int step = 0; step <= SCRIPT_STEPS; step++) {
			enum status st = step < SCRIPT_STEPS
						 ? script_step(db, &t, step)
						 : read_some(db);

			if (st == ST_OK)
				continue;
			met = true;
			ck_assert_msg(st == ST_NO_MEMORY, "%d %s", step,
				      status_code(st));
			fault_plan.countdown = 0;
			script_check(db, &t);
			if (step < SCRIPT_STEPS)
				ck_assert_int_eq(script_step(db, &t, step),
						 ST_OK);
		}
		if (!met)
			ck_assert(!_i || !fault_hit);
		fault_plan.countdown = 0;
		script_check(db, &t);
	} while (fault_hit);
	ck_assert_int_gt(n, 10);
	db_close(db);
	db = test_open();
	script_check(db, &t);
	db_close(db);
}
END_TEST

/* Rows beyond the heap limit must not be gathered anywhere in memory. */
START_TEST(heap_limit_holds_and_is_enough_for_much_work)
{
	struct db_options opt = test_options();
	struct match_event ev = test_event("p0", "north", "allow", 0.5);
	struct script_truth t = { { EITHER, ABSENT, ABSENT } };
	struct db *db;
	int64_t id;

	/* Other tests of this process may have had more. */
	(void)sqlite3_memory_highwater(1);
	opt.heap_bytes = DB_HEAP_MIN_BYTES;
	opt.log_max_rows = 100000;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	ck_assert_int_eq(script_enroll(db, &t, 0, false), ST_OK);
	for (int i = 0; i < 8000; i++)
		ck_assert_int_eq(db_log_add(db, &ev, &id, NULL), ST_OK);
	/* All rows of the person are rewritten in one transaction. */
	ck_assert_int_eq(script_delete(db, &t, 0), ST_OK);
	ck_assert_int_lt(sqlite3_memory_highwater(0),
			 (int64_t)DB_HEAP_MIN_BYTES);
	script_check(db, &t);
	db_close(db);
	opt.log_max_rows = 10;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	db_close(db);
}
END_TEST

Suite *suite_db_memory(void)
{
	Suite *s = suite_create("db_memory");
	TCase *memory = tcase_create("memory");

	tcase_add_checked_fixture(memory, test_dir_make, test_dir_remove);
	tcase_add_checked_fixture(memory, fault_memory_install,
				  fault_memory_remove);
	/* Nothing fails there; it saves the time of real syncs. */
	tcase_add_checked_fixture(memory, fault_install, fault_remove);
	tcase_set_timeout(memory, 300);
	tcase_add_loop_test(
		memory, failing_allocation_at_open_is_told_and_harmless, 0, 2);
	tcase_add_loop_test(memory, failing_allocation_loses_and_halves_nothing,
			    0, 2);
	tcase_add_test(memory, heap_limit_holds_and_is_enough_for_much_work);
	suite_add_tcase(s, memory);
	return s;
}
