/* The match log: rows, filters, paging, the ring. */
#include <check.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "dbtest.h"
#include "internal.h"

Suite *suite_db_log(void);

static const struct log_filter any = { .min_score = NAN };

static int64_t add(struct db *db, struct match_event ev)
{
	int64_t id = 0;

	ck_assert_int_eq(db_log_add(db, &ev, &id, NULL), ST_OK);
	return id;
}

static size_t list(struct db *db, struct log_filter f, struct match_event *out,
		   size_t cap)
{
	size_t count = 99;

	ck_assert_int_eq(db_log_list(db, &f, out, cap, &count, NULL), ST_OK);
	return count;
}

START_TEST(row_comes_back_as_it_was)
{
	struct db *db = test_open();
	struct match_event ev = test_event("p-1", "north", "unsure", 0.25), got;
	struct match_event rows[2];
	bool found;
	int64_t id;

	ev.threshold = (double)NAN;
	id = add(db, ev);
	ck_assert_int_gt(id, 0);
	ck_assert_int_eq(db_log_get(db, id, &got, &found, NULL), ST_OK);
	ck_assert(found);
	ck_assert_int_eq(got.id, id);
	ck_assert_int_eq(got.at_ms, ev.at_ms);
	ck_assert_str_eq(got.route, "verify");
	ck_assert_str_eq(got.person_id, "p-1");
	ck_assert_str_eq(got.door_id, "north");
	ck_assert_str_eq(got.decision, "unsure");
	ck_assert_str_eq(got.reason, "match");
	ck_assert_double_eq(got.score, 0.25);
	ck_assert_double_nan(got.threshold);
	ck_assert_str_eq(got.model_id, TEST_MODEL);
	ck_assert_str_eq(got.request_id, "r-1");
	ck_assert_int_eq(got.total_us, 12345);
	ck_assert_int_eq(got.pool_peak_bytes, 1180000);
	ck_assert_uint_eq(list(db, any, rows, 2), 1);
	ck_assert_int_eq(rows[0].id, id);
	ck_assert_int_eq(db_log_get(db, id + 1, &got, &found, NULL), ST_OK);
	ck_assert(!found);
	db_close(db);
}
END_TEST

START_TEST(unknown_decision_is_refused)
{
	struct db *db = test_open();
	struct match_event ev = test_event("p", "d", "perhaps", 0.5);
	struct match_event rows[1];
	int64_t id;

	ck_assert_int_eq(db_log_add(db, &ev, &id, NULL), ST_INTERNAL);
	ck_assert_uint_eq(list(db, any, rows, 1), 0);
	db_close(db);
}
END_TEST

/* Row i, from 1: person a or b, three doors, every fifth a denial, score
 * i / 100, one second apart. */
static struct db *open_with_rows(int n)
{
	const char *doors[] = { "north", "south", "" };
	struct db *db = test_open();

	for (int i = 1; i <= n; i++) {
		struct match_event ev = test_event(
			i % 2 ? "a" : "b", doors[i % 3],
			i % 5 ? "allow" : "deny", (double)i / 100);

		ev.at_ms = i * 1000;
		if (i % 5 == 0)
			(void)snprintf(ev.reason, sizeof ev.reason,
				       "below_threshold");
		ck_assert_int_eq(add(db, ev), i);
	}
	return db;
}

static bool matches(const struct log_filter *f, int i)
{
	const char *doors[] = { "north", "south", "" };
	const char *reason = i % 5 ? "match" : "below_threshold";

	return (!f->person_id[0] || f->person_id[0] == (i % 2 ? 'a' : 'b')) &&
	       (!f->door_id[0] || strcmp(f->door_id, doors[i % 3]) == 0) &&
	       (!f->decision[0] ||
		strcmp(f->decision, i % 5 ? "allow" : "deny") == 0) &&
	       (!f->reason[0] || strcmp(f->reason, reason) == 0) &&
	       (f->from_ms == 0 || i * 1000 >= f->from_ms) &&
	       (f->to_ms == 0 || i * 1000 < f->to_ms) &&
	       (isnan(f->min_score) || (double)i / 100 >= f->min_score) &&
	       (f->before_id == 0 || i < f->before_id);
}

/* Bit k of the mask sets field k of the filter. */
static struct log_filter filter_of(unsigned mask)
{
	struct log_filter f = any;

	if (mask & 1)
		memcpy(f.person_id, "b", 2);
	if (mask & 2)
		memcpy(f.door_id, "south", 6);
	if (mask & 4)
		memcpy(f.decision, "deny", 5);
	if (mask & 8)
		memcpy(f.reason, "below_threshold", 16);
	if (mask & 16)
		f.from_ms = 20000;
	if (mask & 32)
		f.to_ms = 90000;
	if (mask & 64)
		f.min_score = 0.3;
	if (mask & 128)
		f.before_id = 80;
	return f;
}

START_TEST(every_combination_of_filters_gives_the_right_rows)
{
	enum { ROWS = 100 };
	struct db *db = open_with_rows(ROWS);
	struct match_event rows[ROWS];

	for (unsigned mask = 0; mask < 256; mask++) {
		struct log_filter f = filter_of(mask);
		size_t count = list(db, f, rows, ROWS), want = 0;

		for (int i = ROWS; i >= 1; i--) {
			if (!matches(&f, i))
				continue;
			ck_assert_uint_lt(want, count);
			ck_assert_int_eq(rows[want].id, i);
			want++;
		}
		ck_assert_uint_eq(count, want);
	}
	db_close(db);
}
END_TEST

START_TEST(cursor_pages_without_gap_or_repeat)
{
	struct db *db = open_with_rows(25);
	struct log_filter f = any;
	struct match_event rows[4];
	int64_t expect = 25;
	size_t count;

	do {
		count = list(db, f, rows, 4);
		for (size_t i = 0; i < count; i++)
			ck_assert_int_eq(rows[i].id, expect--);
		f.before_id = rows[count - 1].id;
		/* A row that comes meanwhile does not shift the pages. */
		(void)add(db, test_event("c", "", "deny", 0));
	} while (count == 4);
	ck_assert_int_eq(expect, 0);
	db_close(db);
}
END_TEST

START_TEST(clock_that_jumps_back_hides_no_row)
{
	const int64_t times[] = { 5000, 9000, 2000, 3000, 8000 };
	struct db *db = test_open();
	struct log_filter f = any;
	struct match_event rows[5];

	for (size_t i = 0; i < 5; i++) {
		struct match_event ev = test_event("a", "", "allow", 1);

		ev.at_ms = times[i];
		(void)add(db, ev);
	}
	f.from_ms = 3000;
	f.to_ms = 9000;
	ck_assert_uint_eq(list(db, f, rows, 5), 3);
	ck_assert_int_eq(rows[0].id, 5);
	ck_assert_int_eq(rows[1].id, 4);
	ck_assert_int_eq(rows[2].id, 1);
	f.from_ms = 100000;
	f.to_ms = 0;
	ck_assert_uint_eq(list(db, f, rows, 5), 0);
	db_close(db);
}
END_TEST

START_TEST(filter_text_is_a_value_and_never_sql)
{
	struct db *db = test_open();
	struct log_filter f = any;
	struct match_event rows[4];

	(void)add(db, test_event("a", "' OR 1=1 --", "allow", 1));
	(void)add(db, test_event("a", "south", "allow", 1));
	(void)snprintf(f.door_id, sizeof f.door_id, "%s", "' OR 1=1 --");
	ck_assert_uint_eq(list(db, f, rows, 4), 1);
	(void)snprintf(f.door_id, sizeof f.door_id, "%s", "x' OR '1'='1");
	ck_assert_uint_eq(list(db, f, rows, 4), 0);
	db_close(db);
}
END_TEST

/* The ring holds at most log_max_rows rows at any moment and never forgets
 * more than a 64th of them early. Loop: the limit. */
static const int64_t ring_limits[] = { 1, 7, 100, 1000 };

START_TEST(ring_keeps_the_newest_rows)
{
	struct db_options opt = test_options();
	struct log_filter f = any;
	static struct match_event rows[1100];
	struct match_event ev;
	struct db *db;
	size_t count;
	bool found;

	opt.log_max_rows = ring_limits[_i];
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	for (int64_t i = 1; i <= 3 * opt.log_max_rows + 20; i++) {
		ck_assert_int_eq(add(db, test_event("a", "", "allow", 1)), i);
		if (i % 50 != 0 && i > 10)
			continue;
		count = list(db, f, rows, 1100);
		ck_assert_int_le((int64_t)count, opt.log_max_rows);
		ck_assert_int_ge((int64_t)count,
				 i < opt.log_max_rows
					 ? i
					 : opt.log_max_rows -
						   opt.log_max_rows / 64);
		ck_assert_int_eq(rows[0].id, i);
		ck_assert_int_eq(rows[count - 1].id, i - (int64_t)count + 1);
	}
	ck_assert_int_eq(db_log_get(db, 1, &ev, &found, NULL), ST_OK);
	ck_assert(!found);
	db_close(db);
}
END_TEST

START_TEST(lower_limit_takes_effect_at_open)
{
	struct db_options opt = test_options();
	static struct match_event rows[100];
	struct db *db = open_with_rows(100);

	db_close(db);
	opt.log_max_rows = 10;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	ck_assert_uint_eq(list(db, any, rows, 100), 10);
	ck_assert_int_eq(rows[0].id, 100);
	ck_assert_int_eq(add(db, test_event("a", "", "allow", 1)), 101);
	db_close(db);
}
END_TEST

static void plan_of(sqlite3 *conn, unsigned mask, char *out, size_t cap)
{
	struct log_filter f = filter_of(mask);
	char sql[DB_LOG_SQL_MAX], explain[DB_LOG_SQL_MAX + 32];
	sqlite3_stmt *s = NULL;
	size_t used = 0;

	db_log_sql(&f, sql);
	ck_assert_uint_lt(strlen(sql), DB_LOG_SQL_MAX - 1);
	(void)snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
	ck_assert_int_eq(sqlite3_prepare_v2(conn, explain, -1, &s, NULL),
			 SQLITE_OK);
	out[0] = 0;
	while (sqlite3_step(s) == SQLITE_ROW)
		used += (size_t)snprintf(
			out + used, cap - used, "%s\n",
			(const char *)sqlite3_column_text(s, 3));
	ck_assert_uint_lt(used, cap);
	sqlite3_finalize(s);
}

/* Every query either walks row ids or one index that ends in row ids, so it
 * needs no sorting and stops at its LIMIT. */
START_TEST(every_combination_of_filters_uses_its_index)
{
	char path[512], plan[1024];
	sqlite3 *conn = NULL;

	db_close(test_open());
	test_path("facegate.db", path);
	ck_assert_int_eq(sqlite3_open(path, &conn), SQLITE_OK);
	for (unsigned mask = 0; mask < 256; mask++) {
		const char *first = "USING INTEGER PRIMARY KEY (rowid<";

		if (mask & 48)
			first = "USING INTEGER PRIMARY KEY (rowid>? AND rowid<";
		if (mask & 4)
			first = "USING INDEX log_by_decision (decision=?";
		if (mask & 2)
			first = "USING INDEX log_by_door (door_id=?";
		if (mask & 1)
			first = "USING INDEX log_by_person (person_id=?";
		plan_of(conn, mask, plan, sizeof plan);
		ck_assert_msg(strstr(plan, first) != NULL, "%u: %s", mask,
			      plan);
		ck_assert_msg(!strstr(plan, "B-TREE"), "%u: %s", mask, plan);
		ck_assert_msg(!strstr(plan, "SCAN"), "%u: %s", mask, plan);
		if (mask & 48)
			ck_assert_ptr_nonnull(
				strstr(plan, "COVERING INDEX log_by_time"));
	}
	ck_assert_int_eq(sqlite3_close(conn), SQLITE_OK);
}
END_TEST

START_TEST(place_of_a_receiver_is_kept)
{
	struct match_event ev = test_event("p", "", "allow", 0.5);
	struct db *db = test_open();
	int64_t id = 0, newest = 7, place = 7;
	bool found = true;

	ck_assert_int_eq(db_log_newest(db, &newest, NULL), ST_OK);
	ck_assert_int_eq(newest, 0);
	ck_assert_int_eq(db_sink_get(db, "a", &place, &found, NULL), ST_OK);
	ck_assert(!found);
	ck_assert_int_eq(place, 0);
	ck_assert_int_eq(db_log_add(db, &ev, &id, NULL), ST_OK);
	ck_assert_int_eq(db_log_newest(db, &newest, NULL), ST_OK);
	ck_assert_int_eq(newest, id);
	ck_assert_int_eq(db_sink_put(db, "a", 1, NULL), ST_OK);
	ck_assert_int_eq(db_sink_put(db, "b", 5, NULL), ST_OK);
	ck_assert_int_eq(db_sink_put(db, "a", 2, NULL), ST_OK);
	db_close(db);
	db = test_open();
	ck_assert_int_eq(db_sink_get(db, "a", &place, &found, NULL), ST_OK);
	ck_assert(found);
	ck_assert_int_eq(place, 2);
	ck_assert_int_eq(db_sink_get(db, "b", &place, &found, NULL), ST_OK);
	ck_assert_int_eq(place, 5);
	db_close(db);
}
END_TEST

START_TEST(nobody_erased_gets_a_row)
{
	struct match_event ev = test_event("p", "", "allow", 0.5), rows[2];
	struct db_template t[3];
	struct db *db = test_open();
	struct db_person p;
	int64_t id = 0, key;
	size_t n = 0;

	ck_assert_int_eq(test_enroll(db, "p", "P", false), ST_OK);
	ck_assert_int_eq(db_person_get(db, "p", &p, NULL), ST_OK);
	ck_assert_int_eq(db_templates_list(db, "p", 0, t, 3, &n, NULL), ST_OK);
	ck_assert_uint_eq(n, TEST_PER_PERSON);
	ev.person_key = p.key;
	ev.template_id = t[0].id;
	add(db, ev);
	ck_assert_int_eq(
		db_template_delete(db, "p", t[0].id, &test_by, &key, NULL),
		ST_OK);
	ck_assert_int_eq(db_log_add(db, &ev, &id, NULL), ST_NO_SUCH_TEMPLATE);
	ev.template_id = 0;
	add(db, ev);
	ck_assert_int_eq(db_person_delete(db, "p", &test_by, &key, NULL),
			 ST_OK);
	ck_assert_int_eq(test_enroll(db, "p", "P", false), ST_OK); /* another */
	ck_assert_int_eq(db_log_add(db, &ev, &id, NULL), ST_NO_SUCH_PERSON);
	ck_assert_int_eq(id, 0);
	ck_assert_uint_eq(list(db, any, rows, 2), 2);
	ck_assert_str_eq(rows[0].person_id, "");
	ck_assert_str_eq(rows[1].person_id, "");
	db_close(db);
}
END_TEST

/* Until a call has nothing more to do; returns the number of calls. */
static int keep_up(struct db *db, int64_t now_ms)
{
	int calls = 0;
	bool more;

	do {
		db_upkeep(db, now_ms, &more);
		calls++;
	} while (more);
	return calls;
}

START_TEST(rows_older_than_log_days_go_in_steps_and_as_bytes)
{
	const int64_t day_ms = 86400000, start_ms = 1700000000000;
	struct match_event ev = test_event("planted-person", "north", "allow",
					   0.5);
	struct db_options opt = test_options();
	struct match_event rows[8];
	struct db *db;

	opt.log_days = 30;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	ev.at_ms = start_ms;
	for (int i = 0; i < 300; i++)
		(void)add(db, ev);
	(void)snprintf(ev.person_id, sizeof ev.person_id, "p-2");
	ev.at_ms = start_ms + day_ms;
	(void)add(db, ev);
	ck_assert_int_eq(keep_up(db, start_ms + 30 * day_ms), 1);
	ck_assert(test_folder_holds("planted-person", 14));
	/* Looked for once a minute. */
	ck_assert_int_eq(keep_up(db, start_ms + 30 * day_ms + 1), 1);
	ck_assert_int_gt(keep_up(db, start_ms + 31 * day_ms - 1), 4);
	ck_assert_uint_eq(list(db, any, rows, 8), 1);
	ck_assert_str_eq(rows[0].person_id, "p-2");
	ck_assert(!test_folder_holds("planted-person", 14));
	/* And on a clock that was set back. */
	ev.at_ms = start_ms - 40 * day_ms;
	(void)add(db, ev);
	(void)keep_up(db, start_ms);
	(void)keep_up(db, start_ms + 60000);
	ck_assert_uint_eq(list(db, any, rows, 8), 1);
	db_close(db);
}
END_TEST

Suite *suite_db_log(void)
{
	Suite *s = suite_create("db_log");
	TCase *tc = tcase_create("log");

	tcase_add_checked_fixture(tc, test_dir_make, test_dir_remove);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, row_comes_back_as_it_was);
	tcase_add_test(tc, unknown_decision_is_refused);
	tcase_add_test(tc, every_combination_of_filters_gives_the_right_rows);
	tcase_add_test(tc, cursor_pages_without_gap_or_repeat);
	tcase_add_test(tc, clock_that_jumps_back_hides_no_row);
	tcase_add_test(tc, filter_text_is_a_value_and_never_sql);
	tcase_add_loop_test(tc, ring_keeps_the_newest_rows, 0, 4);
	tcase_add_test(tc, lower_limit_takes_effect_at_open);
	tcase_add_test(tc, every_combination_of_filters_uses_its_index);
	tcase_add_test(tc, place_of_a_receiver_is_kept);
	tcase_add_test(tc, nobody_erased_gets_a_row);
	tcase_add_test(tc, rows_older_than_log_days_go_in_steps_and_as_bytes);
	suite_add_tcase(s, tc);
	return s;
}
