/* Every file operation and every allocation of the store fails in turn. After
 * each failure the status is the right one, the handle still works, nothing
 * acknowledged is lost and nobody is half there.
 */
#include <check.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbtest.h"
#include "faultvfs.h"

Suite *suite_db_faults(void);

/* What the file must say about each of the three persons. */
enum presence { ABSENT, PRESENT, EITHER };

struct truth {
	enum presence p[3];
};

enum { STEPS = 7 };

static const char *const ids[] = { "p0", "p1", "p2" };

static enum status log_row(struct db *db)
{
	struct match_event ev = test_event("p0", "north", "allow", 0.5);
	int64_t id;

	return db_log_add(db, &ev, &id, NULL);
}

static enum status enroll(struct db *db, struct truth *t, int who, bool replace)
{
	enum status st = test_enroll(db, ids[who], "Name", replace);

	if (st == ST_OK)
		t->p[who] = PRESENT;
	else if (t->p[who] == ABSENT)
		t->p[who] = EITHER;
	return st;
}

static enum status forget(struct db *db, struct truth *t, int who)
{
	int64_t key;
	enum status st = db_person_delete(db, ids[who], &key, NULL);

	if (st == ST_OK || st == ST_NO_SUCH_PERSON) {
		t->p[who] = ABSENT;
		st = ST_OK;
	} else if (t->p[who] == PRESENT) {
		t->p[who] = EITHER;
	}
	return st;
}

static enum status do_step(struct db *db, struct truth *t, int step)
{
	switch (step) {
	case 0:
		return enroll(db, t, 0, true);
	case 1:
		return enroll(db, t, 1, true);
	case 2:
		return log_row(db);
	case 3:
		return enroll(db, t, 0, true);
	case 4:
		return forget(db, t, 1);
	case 5:
		return enroll(db, t, 2, true);
	default:
		return log_row(db);
	}
}

static void check_truth(struct db *db, const struct truth *t)
{
	struct db_person p;

	(void)test_check_whole(db);
	for (int i = 0; i < 3; i++) {
		enum status st = db_person_get(db, ids[i], &p, NULL);

		if (t->p[i] == PRESENT)
			ck_assert_int_eq(st, ST_OK);
		if (t->p[i] == ABSENT)
			ck_assert_int_eq(st, ST_NO_SUCH_PERSON);
	}
}

/* Brings the three persons to the state the steps start from. */
static void start_over(struct truth *t)
{
	struct db *db = test_open();

	*t = (struct truth){ { EITHER, EITHER, EITHER } };
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(forget(db, t, i), ST_OK);
	db_close(db);
}

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

#define CASES ((int)(sizeof cases / sizeof *cases))

/* One run of the steps with the nth operation failing; false when there are
 * fewer than n operations. */
static bool run_with_fault(const struct fault_case *c, int n)
{
	struct truth t;
	struct db *db;
	bool hit;

	start_over(&t);
	db = test_open();
	fault_plan = (struct fault_plan){ c->kinds, n, c->forever, c->code };
	for (int step = 0; step < STEPS; step++) {
		enum status st = do_step(db, &t, step);

		if (st == ST_OK)
			continue;
		ck_assert_msg(st == c->status, "%s", status_code(st));
		/* Reading goes on while nothing can be written. */
		check_truth(db, &t);
		hit = fault_hit;
		fault_disarm();
		fault_hit = hit;
		ck_assert_int_eq(do_step(db, &t, step), ST_OK);
	}
	hit = fault_hit;
	db_close(db);
	fault_disarm();
	db = test_open();
	check_truth(db, &t);
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
	const unsigned kinds[] = { FAULT_OPEN,	   FAULT_READ, FAULT_WRITE,
				   FAULT_SYNC,	   FAULT_TRUNCATE,
				   FAULT_SHARED };
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
	struct truth t;
	struct db *db;
	int n = 0;

	do {
		struct db_person p;
		enum status st;
		bool found;

		start_over(&t);
		db = test_open();
		ck_assert_int_eq(enroll(db, &t, 0, false), ST_OK);
		db_close(db);
		db = test_open();
		fault_disarm();
		fault_plan = (struct fault_plan){ FAULT_READ, ++n, false,
						  SQLITE_IOERR_READ };
		st = db_person_get(db, "p0", &p, NULL);
		if (st == ST_OK)
			st = db_log_get(db, 1, &row, &found, NULL);
		if (st == ST_OK)
			st = enroll(db, &t, 0, true);
		ck_assert(st == ST_OK || st == ST_IO_ERROR);
		fault_plan.countdown = 0;
		check_truth(db, &t);
		ck_assert_int_eq(enroll(db, &t, 1, true), ST_OK);
		db_close(db);
	} while (fault_hit);
	ck_assert_int_gt(n, 2);
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
		ck_assert_int_eq(log_row(db), ST_OK);
		ck_assert_int_eq(log_row(db), ST_OK);
		ck_assert_uint_eq(fault_wal_syncs, wal);
		ck_assert_uint_eq(fault_db_syncs, file);
		ck_assert_int_eq(test_enroll(db, "b", NULL, false), ST_OK);
		ck_assert_uint_gt(fault_wal_syncs, wal);
	}
	db_close(db);
}
END_TEST

/* Loop: the operation at which the power fails. */
START_TEST(power_cut_loses_nothing_acknowledged)
{
	for (unsigned seed = 1; seed <= 8; seed++) {
		struct truth t;
		struct db *db;

		start_over(&t);
		db = test_open();
		fault_power_on(_i + 1);
		for (int step = 0; step < STEPS; step++)
			(void)do_step(db, &t, step);
		ck_assert(fault_power_failed());
		db_close(db);
		fault_power_settle(seed * 7919U + (unsigned)_i);
		db = test_open();
		check_truth(db, &t);
		db_close(db);
	}
}
END_TEST

/* Allocation faults. */
static sqlite3_mem_methods real_memory;
static long allocations, fail_at;
static bool fail_on;

static bool refuse(void)
{
	if (fail_at == 0)
		return false;
	allocations++;
	return fail_on ? allocations >= fail_at : allocations == fail_at;
}

static void *faulty_malloc(int n)
{
	return refuse() ? NULL : real_memory.xMalloc(n);
}

static void *faulty_realloc(void *p, int n)
{
	return refuse() ? NULL : real_memory.xRealloc(p, n);
}

static void memory_install(void)
{
	sqlite3_mem_methods m;

	test_dir_make();
	db_close(test_open());
	sqlite3_shutdown();
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory),
			 SQLITE_OK);
	m = real_memory;
	m.xMalloc = faulty_malloc;
	m.xRealloc = faulty_realloc;
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &m), SQLITE_OK);
	fail_at = 0;
}

static void memory_remove(void)
{
	fail_at = 0;
	sqlite3_shutdown();
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &real_memory),
			 SQLITE_OK);
	test_dir_remove();
}

static void fail_allocation(long n, bool forever)
{
	allocations = 0;
	fail_at = n;
	fail_on = forever;
}

/* Loop: 0 one allocation fails, 1 all from it on. */
START_TEST(failing_allocation_at_open_is_told_and_harmless)
{
	struct truth t = { { PRESENT, ABSENT, ABSENT } };
	struct db *db = test_open();
	enum status st;
	long n = 0;

	ck_assert_int_eq(test_enroll(db, "p0", NULL, false), ST_OK);
	db_close(db);
	do {
		struct errinfo err;

		fail_allocation(++n, _i);
		st = test_try_open(&err);
		if (allocations >= n)
			ck_assert_msg(st == ST_NO_MEMORY || st == ST_OK, "%s %s",
				      status_code(st), err.text);
		else
			ck_assert_int_eq(st, ST_OK);
		fail_at = 0;
	} while (allocations >= n);
	ck_assert_int_gt(n, 100);
	db = test_open();
	check_truth(db, &t);
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
	struct truth t;
	struct db *db;
	long n = 0;

	start_over(&t);
	db = test_open();
	do {
		bool met = false;

		fail_allocation(++n, _i);
		for (int step = 0; step <= STEPS; step++) {
			enum status st = step < STEPS ? do_step(db, &t, step) :
							read_some(db);

			if (st == ST_OK)
				continue;
			met = true;
			ck_assert_msg(st == ST_NO_MEMORY, "%d %s", step,
				      status_code(st));
			fail_at = 0;
			check_truth(db, &t);
			if (step < STEPS)
				ck_assert_int_eq(do_step(db, &t, step), ST_OK);
		}
		if (!met)
			ck_assert(!_i || allocations < n);
		fail_at = 0;
		check_truth(db, &t);
	} while (allocations >= n);
	ck_assert_int_gt(n, 10);
	db_close(db);
	db = test_open();
	check_truth(db, &t);
	db_close(db);
}
END_TEST

/* Rows beyond the heap limit must not be gathered anywhere in memory. */
START_TEST(heap_limit_holds_and_is_enough_for_much_work)
{
	struct db_options opt = test_options();
	struct match_event ev = test_event("p0", "north", "allow", 0.5);
	struct truth t = { { EITHER, ABSENT, ABSENT } };
	struct db *db;
	int64_t id;

	opt.heap_bytes = DB_HEAP_MIN_BYTES;
	opt.log_max_rows = 100000;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	ck_assert_int_eq(enroll(db, &t, 0, false), ST_OK);
	for (int i = 0; i < 8000; i++)
		ck_assert_int_eq(db_log_add(db, &ev, &id, NULL), ST_OK);
	/* All rows of the person are rewritten in one transaction. */
	ck_assert_int_eq(forget(db, &t, 0), ST_OK);
	ck_assert_int_lt(sqlite3_memory_highwater(0),
			 (int64_t)DB_HEAP_MIN_BYTES);
	check_truth(db, &t);
	db_close(db);
	opt.log_max_rows = 10;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	db_close(db);
}
END_TEST

Suite *suite_db_faults(void)
{
	Suite *s = suite_create("db_faults");
	TCase *files = tcase_create("files"), *memory = tcase_create("memory");

	tcase_add_checked_fixture(files, test_dir_make, test_dir_remove);
	tcase_add_checked_fixture(files, fault_install, fault_remove);
	tcase_set_timeout(files, 120);
	tcase_add_loop_test(files,
			    failing_file_operation_loses_and_halves_nothing, 0,
			    CASES);
	tcase_add_loop_test(
		files, failing_file_operation_at_open_is_told_and_harmless, 0,
		2);
	tcase_add_test(files, failing_read_is_told_and_passes);
	tcase_add_test(files, enrolment_syncs_the_wal_and_log_rows_do_not);
	tcase_add_loop_test(files, power_cut_loses_nothing_acknowledged, 0, 60);
	suite_add_tcase(s, files);
	tcase_add_checked_fixture(memory, memory_install, memory_remove);
	tcase_set_timeout(memory, 120);
	tcase_add_loop_test(memory,
			    failing_allocation_at_open_is_told_and_harmless, 0,
			    2);
	tcase_add_loop_test(memory, failing_allocation_loses_and_halves_nothing,
			    0, 2);
	tcase_add_test(memory, heap_limit_holds_and_is_enough_for_much_work);
	suite_add_tcase(s, memory);
	return s;
}
