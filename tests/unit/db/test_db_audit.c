/* The audit log: what leaves a row, and that no row can be changed, dropped,
 * moved, put in or cut off in the file without being told of.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "dbtest.h"
#include "internal.h"

Suite *suite_db_audit(void);

enum { ROWS_MAX = 400 };

static const struct db_by kiosk = { "0123abcd", 1700000000000 };

static struct db *open_with(int64_t audit_max_rows)
{
	struct db_options opt = test_options();
	struct db *db = NULL;

	opt.audit_max_rows = audit_max_rows;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	return db;
}

static struct db_audit_report report_of(const struct db_audit_anchor *anchor)
{
	struct db_audit_report report;
	struct db *db = test_open();

	ck_assert_int_eq(db_audit_verify(db, anchor, &report, NULL), ST_OK);
	ck_assert_int_eq(report.broken_at != 0, report.why != NULL);
	db_close(db);
	return report;
}

static void check_broken(int64_t at)
{
	struct db_audit_report report = report_of(NULL);

	ck_assert_msg(report.broken_at == at, "broken at %lld, not %lld: %s",
		      (long long)report.broken_at, (long long)at,
		      report.why ? report.why : "whole");
}

/* Ten rows, of one note each. */
static struct db_audit_anchor fill(void)
{
	struct db *db = test_open();
	struct db_audit_report report;
	char object[16];

	for (int i = 1; i <= 10; i++) {
		(void)snprintf(object, sizeof object, "note %d", i);
		ck_assert_int_eq(
			db_audit_note(db, &kiosk, "note", object, NULL), ST_OK);
	}
	ck_assert_int_eq(db_audit_verify(db, NULL, &report, NULL), ST_OK);
	ck_assert_int_eq(report.broken_at, 0);
	ck_assert_int_eq(report.first, 1);
	ck_assert_int_eq(report.last, 10);
	ck_assert_int_eq(report.head.seq, 10);
	db_close(db);
	return report.head;
}

static size_t list(struct db *db, struct db_audit_row rows[ROWS_MAX])
{
	size_t n = 0;

	ck_assert_int_eq(db_audit_list(db, 0, rows, ROWS_MAX, &n, NULL), ST_OK);
	return n;
}

static void check_row(const struct db_audit_row *row, int64_t seq,
		      const char *action, int64_t person_key,
		      const char *person_id, const char *object)
{
	ck_assert_int_eq(row->seq, seq);
	ck_assert_str_eq(row->action, action);
	ck_assert_int_eq(row->person_key, person_key);
	ck_assert_str_eq(row->person_id, person_id);
	ck_assert_str_eq(row->object, object);
	ck_assert_str_eq(row->key_id, "0123abcd");
	ck_assert_int_eq(row->at_ms, kiosk.now_ms);
}

static enum status enroll(struct db *db, const char *id, bool replace)
{
	struct face_template t[2];
	int64_t key, ids[2];

	test_template(id, 0, &t[0]);
	test_template(id, 1, &t[1]);
	return db_enroll(db,
			 &(struct db_enrolment){ .person_id = id,
						 .name = "Planted Name",
						 .replace = replace,
						 .model_id = TEST_MODEL,
						 .templates = t,
						 .count = replace ? 1 : 2,
						 .by = kiosk },
			 &key, ids, NULL);
}

START_TEST(each_act_leaves_one_row_without_the_person)
{
	struct db_person p = { .id = "second",
			       .metadata = "{}",
			       .card = { -1, -1 } };
	struct db_door d = { .id = "north",
			     .target_fmr = (double)NAN,
			     .min_score = (double)NAN,
			     .windows = "[]" };
	static struct db_audit_row rows[ROWS_MAX];
	struct db *db = test_open();
	int64_t key;
	bool made;

	ck_assert_int_eq(enroll(db, "planted-id", false), ST_OK);
	ck_assert_int_eq(enroll(db, "planted-id", true), ST_OK);
	ck_assert_int_eq(
		db_template_delete(db, "planted-id", 3, &kiosk, &key, NULL),
		ST_OK);
	ck_assert_int_eq(db_person_add(db, &p, &kiosk, NULL), ST_OK);
	ck_assert_int_eq(db_person_set(db, &p, &kiosk, NULL), ST_OK);
	ck_assert_int_eq(db_door_put(db, &d, &kiosk, &made, NULL), ST_OK);
	ck_assert_int_eq(db_door_put(db, &d, &kiosk, &made, NULL), ST_OK);
	ck_assert_int_eq(db_door_delete(db, "north", &kiosk, NULL), ST_OK);
	ck_assert_uint_eq(list(db, rows), 8);
	check_row(&rows[7], 1, "enrol", 1, "planted-id", "1-2");
	ck_assert_int_eq(db_person_delete(db, "planted-id", &kiosk, &key, NULL),
			 ST_OK);
	ck_assert_uint_eq(list(db, rows), 9);
	check_row(&rows[8], 1, "enrol", 1, "", "1-2");
	check_row(&rows[7], 2, "enrol_replace", 1, "", "3");
	check_row(&rows[6], 3, "template_delete", 1, "", "3");
	check_row(&rows[5], 4, "person_add", 2, "second", "");
	check_row(&rows[4], 5, "person_change", 2, "second", "");
	check_row(&rows[3], 6, "door_add", 0, "", "north");
	check_row(&rows[2], 7, "door_change", 0, "", "north");
	check_row(&rows[1], 8, "door_delete", 0, "", "north");
	check_row(&rows[0], 9, "person_erase", 1, "", "");
	db_close(db);
	check_broken(0);
	ck_assert(!test_folder_holds("planted-id", 10));
	ck_assert(!test_folder_holds("Planted Name", 12));
}
END_TEST

START_TEST(act_that_fails_leaves_no_row)
{
	static struct db_audit_row rows[ROWS_MAX];
	struct db_person p = { .id = "a",
			       .metadata = "{}",
			       .card = { -1, -1 } };
	struct db *db = test_open();
	int64_t key;

	ck_assert_int_eq(db_person_add(db, &p, &kiosk, NULL), ST_OK);
	ck_assert_int_eq(db_person_add(db, &p, &kiosk, NULL), ST_PERSON_EXISTS);
	ck_assert_int_eq(db_person_delete(db, "b", &kiosk, &key, NULL),
			 ST_NO_SUCH_PERSON);
	ck_assert_int_eq(db_template_delete(db, "a", 7, &kiosk, &key, NULL),
			 ST_NO_SUCH_TEMPLATE);
	ck_assert_int_eq(db_door_delete(db, "a", &kiosk, NULL),
			 ST_NO_SUCH_DOOR);
	ck_assert_uint_eq(list(db, rows), 1);
	db_close(db);
	check_broken(0);
}
END_TEST

/* What somebody with the file and without its key may do, and the row that
 * verification must name. */
static const struct {
	const char *sql;
	int64_t at;
} tampering[] = {
	{ "UPDATE audit SET at_ms = at_ms + 1 WHERE seq = 5", 5 },
	{ "UPDATE audit SET key_id = '' WHERE seq = 5", 5 },
	{ "UPDATE audit SET key_id = 'more than fits here' WHERE seq = 5", 5 },
	{ "UPDATE audit SET action = 'vote' WHERE seq = 5", 5 },
	{ "UPDATE audit SET person_key = 1 WHERE seq = 5", 5 },
	{ "UPDATE audit SET object = 'note 6' WHERE seq = 5", 5 },
	/* The bytes stay, the border between the texts moves. */
	{ "UPDATE audit SET action = 'notenote', object = ' 5' WHERE seq = 5",
	  5 },
	{ "UPDATE audit SET hash = randomblob(32) WHERE seq = 5", 5 },
	{ "UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 4) "
	  "WHERE seq = 5",
	  5 },
	{ "UPDATE audit SET at_ms = 0 WHERE seq = 1", 1 },
	{ "UPDATE audit SET at_ms = 0 WHERE seq = 10", 10 },
	/* dropped */
	{ "DELETE FROM audit WHERE seq = 1", 1 },
	{ "DELETE FROM audit WHERE seq = 5", 5 },
	{ "DELETE FROM audit WHERE seq = 5;"
	  "UPDATE audit SET seq = seq - 1 WHERE seq > 5",
	  5 },
	{ "DELETE FROM audit WHERE seq < 6", 1 },
	/* cut off */
	{ "DELETE FROM audit WHERE seq = 10", 10 },
	{ "DELETE FROM audit WHERE seq > 3", 4 },
	{ "DELETE FROM audit", 1 },
	/* moved */
	{ "UPDATE audit SET seq = 99 WHERE seq = 5;"
	  "UPDATE audit SET seq = 5 WHERE seq = 6;"
	  "UPDATE audit SET seq = 6 WHERE seq = 99",
	  5 },
	/* put in */
	{ "UPDATE audit SET seq = -seq - 1 WHERE seq > 5;"
	  "UPDATE audit SET seq = -seq WHERE seq < 0;"
	  "INSERT INTO audit SELECT 6, at_ms, key_id, action, person_key, "
	  "object, hash FROM audit WHERE seq = 5",
	  6 },
	{ "INSERT INTO audit SELECT 0, at_ms, key_id, action, person_key, "
	  "object, hash FROM audit WHERE seq = 10",
	  1 },
	/* the ends */
	{ "UPDATE audit_chain SET sealed = randomblob(length(sealed))", 1 },
	{ "UPDATE audit_chain SET key_version = 2", 1 },
	{ "UPDATE audit_chain SET sealed = x'00'", 1 },
	{ "DELETE FROM audit_chain", 1 },
};

START_TEST(whoever_has_the_file_alone_cannot_change_it_unseen)
{
	struct db *db;

	fill();
	check_broken(0);
	test_sql(tampering[_i].sql);
	check_broken(tampering[_i].at);
	/* It stays broken as acts go on. */
	db = test_open();
	ck_assert_int_eq(db_audit_note(db, &kiosk, "note", "", NULL), ST_OK);
	db_close(db);
	ck_assert_int_ne(report_of(NULL).broken_at, 0);
}
END_TEST

START_TEST(row_that_is_put_in_holds_up_no_act)
{
	fill();
	test_sql("INSERT INTO audit SELECT 11, at_ms, key_id, 'forged', "
		 "person_key, object, hash FROM audit WHERE seq = 10");
	check_broken(11);
	struct db *db = test_open();

	ck_assert_int_eq(db_audit_note(db, &kiosk, "note", "", NULL), ST_OK);
	db_close(db);
	check_broken(0);
}
END_TEST

START_TEST(lost_ends_begin_a_chain_anew_that_says_so)
{
	static struct db_audit_row rows[ROWS_MAX];
	struct db_audit_report report;
	struct db *db;

	fill();
	test_sql("DELETE FROM audit_chain");
	db = test_open();
	ck_assert_int_eq(enroll(db, "a", false), ST_OK);
	ck_assert_uint_eq(list(db, rows), 12);
	check_row(&rows[1], 11, "chain_restart", 0, "", "");
	check_row(&rows[0], 12, "enrol", 1, "a", "1-2");
	db_close(db);
	report = report_of(NULL);
	ck_assert_int_eq(report.broken_at, 11);
	ck_assert_int_eq(report.head.seq, 12);
}
END_TEST

/* Both the rows and the ends as they were: only an anchor kept elsewhere knows
 * better. */
START_TEST(older_copy_of_all_of_it_is_seen_with_an_anchor)
{
	struct db_audit_anchor head = fill(), later;
	struct db_audit_report report;
	struct db *db;

	ck_assert_int_eq(report_of(&head).broken_at, 0);
	test_sql("CREATE TABLE kept AS SELECT * FROM audit_chain");
	db = test_open();
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(db_audit_note(db, &kiosk, "note", "", NULL),
				 ST_OK);
	ck_assert_int_eq(db_audit_verify(db, &head, &report, NULL), ST_OK);
	ck_assert_int_eq(report.broken_at, 0);
	later = report.head;
	db_close(db);
	test_sql("DELETE FROM audit WHERE seq > 10; DELETE FROM audit_chain;"
		 "INSERT INTO audit_chain SELECT * FROM kept");
	check_broken(0);
	ck_assert_int_eq(report_of(&head).broken_at, 0);
	ck_assert_int_eq(report_of(&later).broken_at, 11);
	/* Other rows of the same numbers since. */
	db = test_open();
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(db_audit_note(db, &kiosk, "vote", "", NULL),
				 ST_OK);
	db_close(db);
	check_broken(0);
	ck_assert_int_eq(report_of(&later).broken_at, 15);
	head.hash[31] ^= 1;
	ck_assert_int_eq(report_of(&head).broken_at, 10);
}
END_TEST

static void note_many(struct db *db, int n)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(db_audit_note(db, &kiosk, "note", "", NULL),
				 ST_OK);
}

START_TEST(oldest_rows_go_and_the_rest_is_still_a_chain)
{
	static struct db_audit_row rows[ROWS_MAX];
	struct db_audit_anchor head = fill();
	struct db_audit_report report;
	struct db *db = open_with(100);
	size_t n;

	note_many(db, 290);
	n = list(db, rows);
	ck_assert_uint_le(n, 100);
	ck_assert_uint_ge(n, 98);
	ck_assert_int_eq(rows[0].seq, 300);
	ck_assert_int_eq(db_audit_verify(db, NULL, &report, NULL), ST_OK);
	ck_assert_int_eq(report.broken_at, 0);
	ck_assert_int_eq(report.first, rows[n - 1].seq);
	ck_assert_int_eq(report.last, 300);
	/* Anchors of rows that are kept, of the last one gone, and older. */
	ck_assert_int_eq(db_audit_verify(db, &report.head, &report, NULL),
			 ST_OK);
	ck_assert_int_eq(report.broken_at, 0);
	ck_assert_int_eq(db_audit_verify(db, &head, &report, NULL),
			 ST_BAD_REQUEST);
	head = (struct db_audit_anchor){ .seq = report.first - 1 };
	ck_assert_int_eq(db_audit_verify(db, &head, &report, NULL), ST_OK);
	ck_assert_int_eq(report.broken_at, head.seq);
	db_close(db);
	/* A lower limit is reached with the acts that follow. */
	db = open_with(50);
	note_many(db, 1);
	ck_assert_uint_eq(list(db, rows), 50);
	db_close(db);
	check_broken(0);
}
END_TEST

START_TEST(break_is_not_hidden_by_retention)
{
	struct db *db;

	fill();
	test_sql("UPDATE audit SET hash = zeroblob(32) WHERE seq = 5");
	db = open_with(10);
	note_many(db, 5); /* up to row 5 goes */
	db_close(db);
	check_broken(6);
	test_sql("DELETE FROM audit WHERE seq = 7");
	db = open_with(10);
	note_many(db, 2);
	db_close(db);
	check_broken(8);
}
END_TEST

START_TEST(change_of_keys_is_told_and_keeps_the_chain)
{
	static struct db_audit_row rows[ROWS_MAX];
	struct db_options opt = test_options();
	struct db *db;
	int64_t newest;
	uint8_t old[512];
	size_t n;
	bool more;

	fill();
	db = test_open();
	ck_assert_int_eq(test_enroll(db, "a", "A", false), ST_OK);
	n = test_blob(db, "SELECT sealed FROM audit_chain WHERE ?1 = ?1", "",
		      old, sizeof old);
	ck_assert_uint_gt(n, 100);
	ck_assert_int_eq(db_key_add(&opt, &newest, NULL), ST_OK);
	do
		ck_assert_int_eq(db_reseal(db, &more, NULL), ST_OK);
	while (more);
	ck_assert_int_eq(db_keys_drop(&opt, NULL), ST_OK);
	ck_assert_int_eq(db_reseal(db, &more, NULL), ST_OK);
	ck_assert_uint_eq(list(db, rows), 13);
	ck_assert_str_eq(rows[1].action, "rotate_begin");
	ck_assert_str_eq(rows[0].action, "rotate_end");
	ck_assert_str_eq(rows[0].object, "2");
	db_close(db);
	check_broken(0);
	ck_assert(!test_folder_holds(old, n));
}
END_TEST

static size_t note_keys(struct db *db, struct db_audit_row *rows,
			const struct db_audit_key *keys, size_t count)
{
	ck_assert_int_eq(db_audit_keys(db, &test_by, keys, count, NULL), ST_OK);
	return list(db, rows);
}

START_TEST(api_keys_are_told_when_they_come_and_go)
{
	static struct db_audit_row rows[ROWS_MAX];
	const struct db_audit_key keys[] = { { "00000001", "admin" },
					     { "00000003", "door" },
					     { "00000002", "kiosk" } };
	struct db *db = test_open();

	ck_assert_uint_eq(note_keys(db, rows, keys, 0), 0);
	ck_assert_uint_eq(note_keys(db, rows, keys, 2), 2);
	ck_assert_str_eq(rows[1].action, "key_add");
	ck_assert_str_eq(rows[1].object, "00000001 admin");
	ck_assert_str_eq(rows[1].key_id, "");
	ck_assert_str_eq(rows[0].object, "00000003 door");
	db_close(db);
	db = test_open();
	ck_assert_uint_eq(note_keys(db, rows, keys, 2), 2);
	ck_assert_uint_eq(note_keys(db, rows, keys + 2, 1), 5);
	ck_assert_str_eq(rows[2].action, "key_revoke");
	ck_assert_str_eq(rows[2].object, "00000001 admin");
	ck_assert_str_eq(rows[1].object, "00000003 door");
	ck_assert_str_eq(rows[0].action, "key_add");
	ck_assert_str_eq(rows[0].object, "00000002 kiosk");
	ck_assert_uint_eq(note_keys(db, rows, keys, 3), 7);
	db_close(db);
	check_broken(0);
}
END_TEST

START_TEST(configuration_is_told_when_it_changes)
{
	static struct db_audit_row rows[ROWS_MAX];
	const char *const lines[] = { "target_fmr=0.001", "workers=1" };
	struct db *db = test_open();

	ck_assert_int_eq(db_audit_config(db, &test_by, "w1", lines, 2, NULL),
			 ST_OK);
	ck_assert_int_eq(db_audit_config(db, &test_by, "w1", lines, 2, NULL),
			 ST_OK);
	ck_assert_uint_eq(list(db, rows), 3);
	ck_assert_str_eq(rows[2].action, "config_key");
	ck_assert_str_eq(rows[2].object, "target_fmr=0.001");
	ck_assert_str_eq(rows[0].action, "config");
	ck_assert_str_eq(rows[0].object, "w1");
	ck_assert_int_eq(db_audit_config(db, &test_by, "w2", lines, 1, NULL),
			 ST_OK);
	ck_assert_int_eq(db_audit_config(db, &test_by, "w1", lines, 2, NULL),
			 ST_OK);
	ck_assert_uint_eq(list(db, rows), 8);
	db_close(db);
	check_broken(0);
}
END_TEST

Suite *suite_db_audit(void)
{
	Suite *s = suite_create("db_audit");
	TCase *tc = tcase_create("audit");

	tcase_add_checked_fixture(tc, test_dir_make, test_dir_remove);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, each_act_leaves_one_row_without_the_person);
	tcase_add_test(tc, act_that_fails_leaves_no_row);
	tcase_add_loop_test(tc,
			    whoever_has_the_file_alone_cannot_change_it_unseen,
			    0, (int)(sizeof tampering / sizeof *tampering));
	tcase_add_test(tc, row_that_is_put_in_holds_up_no_act);
	tcase_add_test(tc, lost_ends_begin_a_chain_anew_that_says_so);
	tcase_add_test(tc, older_copy_of_all_of_it_is_seen_with_an_anchor);
	tcase_add_test(tc, oldest_rows_go_and_the_rest_is_still_a_chain);
	tcase_add_test(tc, break_is_not_hidden_by_retention);
	tcase_add_test(tc, change_of_keys_is_told_and_keeps_the_chain);
	tcase_add_test(tc, api_keys_are_told_when_they_come_and_go);
	tcase_add_test(tc, configuration_is_told_when_it_changes);
	suite_add_tcase(s, tc);
	return s;
}
