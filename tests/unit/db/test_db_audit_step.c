/* The audit log's chain followed in steps, while rows come and go at its ends.
 */
#include <check.h>

#include "audit.h"
#include "dbtest.h"

Suite *suite_db_audit_step(void);

static struct db *db;

static void note(int n)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(db_audit_note(db, &test_by, "note", "", NULL),
				 ST_OK);
}

static void open_with(int64_t audit_max_rows)
{
	struct db_options opt = test_options();

	opt.audit_max_rows = audit_max_rows;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
}

static void setup(void)
{
	test_dir_make();
	open_with(10000);
}

static void teardown(void)
{
	db_close(db);
	test_dir_remove();
}

/* Whether the step came to an end of the chain or to a break. */
static bool step(void)
{
	struct db_audit_report report;
	struct db_condition how;
	bool through = false;

	ck_assert_int_eq(db_audit_step(db, &report, &through, NULL), ST_OK);
	ck_assert_int_eq(report.broken_at != 0, report.why != NULL);
	db_condition(db, &how);
	if (through)
		ck_assert_int_eq(how.audit_broken_at, report.broken_at);
	return through;
}

/* Where the next walk finds a break, 0 for none. */
static int64_t walk(void)
{
	struct db_condition how;

	while (!step())
		;
	db_condition(db, &how);
	return how.audit_broken_at;
}

/* What a stranger does to the file, and what this process then finds. */
static void change(const char *sql)
{
	db_close(db);
	test_sql(sql);
	open_with(10000);
}

START_TEST(a_step_is_bounded_and_the_walk_begins_again)
{
	note(3 * DB_AUDIT_STEP_ROWS);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			ck_assert(!step());
		ck_assert(step());
	}
	note(1);
	ck_assert_int_eq(walk(), 0);
}
END_TEST

START_TEST(a_chain_without_rows_is_whole)
{
	ck_assert(step());
	ck_assert_int_eq(walk(), 0);
}
END_TEST

START_TEST(a_break_is_found_wherever_it_is)
{
	static const struct {
		const char *sql;
		int64_t at;
	} breaks[] = {
		{ "UPDATE audit SET key_id = 'x' WHERE seq = 150", 150 },
		{ "DELETE FROM audit WHERE seq = 64", 64 },
		{ "DELETE FROM audit WHERE seq = 65", 65 },
		{ "DELETE FROM audit WHERE seq = 200", 200 },
		{ "DELETE FROM audit WHERE seq > 128", 129 },
		{ "INSERT INTO audit SELECT -5, at_ms, key_id, action, "
		  "person_key, object, hash FROM audit WHERE seq = 1",
		  1 },
		{ "INSERT INTO audit SELECT 201, at_ms, key_id, action, "
		  "person_key, object, hash FROM audit WHERE seq = 200",
		  201 },
		{ "DELETE FROM audit_chain", 1 },
	};

	note(200);
	db_close(db);
	test_sql("CREATE TABLE kept_rows AS SELECT * FROM audit;"
		 "CREATE TABLE kept_ends AS SELECT * FROM audit_chain");
	open_with(10000);
	for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
		change(breaks[i].sql);
		ck_assert_int_eq(walk(), breaks[i].at);
		ck_assert_int_eq(walk(), breaks[i].at);
		change("DELETE FROM audit; DELETE FROM audit_chain;"
		       "INSERT INTO audit SELECT * FROM kept_rows;"
		       "INSERT INTO audit_chain SELECT * FROM kept_ends");
		ck_assert_int_eq(walk(), 0);
	}
}
END_TEST

START_TEST(rows_that_come_and_go_between_steps_break_nothing)
{
	db_close(db);
	open_with(200);
	note(190);
	ck_assert(!step());
	for (int i = 0; i < 60; i++) {
		/* Sometimes less than a step, sometimes past where it is. */
		note(i % 3 == 0 ? 150 : 7);
		if (step())
			ck_assert_int_eq(walk(), 0);
	}
	ck_assert_int_eq(walk(), 0);
}
END_TEST

START_TEST(a_break_is_told_until_retention_has_taken_it)
{
	note(200);
	change("UPDATE audit SET object = 'x' WHERE seq = 100");
	ck_assert_int_eq(walk(), 100);
	db_close(db);
	open_with(300);
	note(150);
	ck_assert_int_eq(walk(), 100);
	note(100);
	ck_assert_int_eq(walk(), 0);
}
END_TEST

Suite *suite_db_audit_step(void)
{
	Suite *s = suite_create("db_audit_step");
	TCase *tc = tcase_create("audit_step");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_step_is_bounded_and_the_walk_begins_again);
	tcase_add_test(tc, a_chain_without_rows_is_whole);
	tcase_add_test(tc, a_break_is_found_wherever_it_is);
	tcase_add_test(tc, rows_that_come_and_go_between_steps_break_nothing);
	tcase_add_test(tc, a_break_is_told_until_retention_has_taken_it);
	suite_add_tcase(s, tc);
	return s;
}
