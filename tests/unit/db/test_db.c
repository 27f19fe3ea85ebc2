/* People and templates in the store. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dbtest.h"

Suite *suite_db(void);

static struct db_person get(struct db *db, const char *id)
{
	struct db_person p;

	ck_assert_int_eq(db_person_get(db, id, &p, NULL), ST_OK);
	return p;
}

START_TEST(enrolled_person_is_visible_at_once)
{
	struct db *db = test_open();
	struct face_template t[2];
	struct db_person p, q;
	int64_t key = 0, ids[2] = { 0, 0 };

	test_template("p-1", 0, &t[0]);
	test_template("p-1", 1, &t[1]);
	ck_assert_int_eq(
		db_enroll(db,
			  &(struct db_enrolment){ .person_id = "p-1",
						  .name = "Ada [1] 'x' ü",
						  .replace = false,
						  .model_id = TEST_MODEL,
						  .templates = t,
						  .count = 2,
						  .by.now_ms = 1700000000123 },
			  &key, ids, NULL),
		ST_OK);
	p = get(db, "p-1");
	ck_assert_str_eq(p.name, "Ada [1] 'x' ü");
	ck_assert_str_eq(p.id, "p-1");
	ck_assert_int_eq(p.key, key);
	ck_assert_int_eq(p.created_ms, 1700000000123);
	ck_assert_int_eq(p.updated_ms, 1700000000123);
	ck_assert_int_eq(p.templates, 2);
	ck_assert_int_ne(ids[0], ids[1]);
	ck_assert_int_eq(db_person_by_key(db, key, &q, NULL), ST_OK);
	ck_assert_str_eq(q.id, "p-1");
	ck_assert_uint_eq(test_check_whole(db), 1);
	db_close(db);
}
END_TEST

START_TEST(everything_survives_closing_and_opening)
{
	struct db *db = test_open();
	struct match_event ev = test_event("p-1", "north", "allow", 0.5), got;
	int64_t id;
	bool found;

	ck_assert_int_eq(test_enroll(db, "p-1", "Ada", false), ST_OK);
	ck_assert_int_eq(test_enroll(db, "p-2", NULL, false), ST_OK);
	ck_assert_int_eq(db_log_add(db, &ev, &id, NULL), ST_OK);
	db_close(db);
	db = test_open();
	ck_assert_uint_eq(test_check_whole(db), 2);
	ck_assert_str_eq(get(db, "p-1").name, "Ada");
	ck_assert_str_eq(get(db, "p-2").name, "");
	ck_assert_int_eq(db_log_get(db, id, &got, &found, NULL), ST_OK);
	ck_assert(found);
	ck_assert_str_eq(got.door_id, "north");
	db_close(db);
}
END_TEST

START_TEST(second_enrolment_appends_and_keeps_the_name)
{
	struct db *db = test_open();
	struct face_template t;
	int64_t key, key2, id;

	ck_assert_int_eq(test_enroll(db, "p-1", "Ada", false), ST_OK);
	key = get(db, "p-1").key;
	test_template("p-1", 7, &t);
	ck_assert_int_eq(
		db_enroll(db,
			  &(struct db_enrolment){ .person_id = "p-1",
						  .name = NULL,
						  .replace = false,
						  .model_id = TEST_MODEL,
						  .templates = &t,
						  .count = 1,
						  .by.now_ms = 1700000009999 },
			  &key2, &id, NULL),
		ST_OK);
	ck_assert_int_eq(key, key2);
	ck_assert_int_eq(get(db, "p-1").templates, 3);
	ck_assert_str_eq(get(db, "p-1").name, "Ada");
	ck_assert_int_eq(get(db, "p-1").updated_ms, 1700000009999);
	ck_assert_int_eq(get(db, "p-1").created_ms, 1700000000000);
	ck_assert_int_eq(
		db_enroll(db,
			  &(struct db_enrolment){ .person_id = "p-1",
						  .name = "",
						  .replace = false,
						  .model_id = TEST_MODEL,
						  .templates = &t,
						  .count = 1,
						  .by.now_ms = 1700000009999 },
			  &key2, &id, NULL),
		ST_OK);
	ck_assert_str_eq(get(db, "p-1").name, "");
	db_close(db);
}
END_TEST

START_TEST(replace_removes_the_older_templates)
{
	struct db *db = test_open();
	struct face_template t;
	int64_t key, id;

	ck_assert_int_eq(test_enroll(db, "p-1", "Ada", false), ST_OK);
	ck_assert_int_eq(test_enroll(db, "p-2", "Bob", false), ST_OK);
	test_template("p-1", 7, &t);
	ck_assert_int_eq(
		db_enroll(db,
			  &(struct db_enrolment){ .person_id = "p-1",
						  .name = NULL,
						  .replace = true,
						  .model_id = TEST_MODEL,
						  .templates = &t,
						  .count = 1,
						  .by.now_ms = 1 },
			  &key, &id, NULL),
		ST_OK);
	ck_assert_int_gt(id, 4);
	ck_assert_int_eq(get(db, "p-1").templates, 1);
	ck_assert_int_eq(get(db, "p-2").templates, TEST_PER_PERSON);
	db_close(db);
}
END_TEST

START_TEST(unknown_person_has_its_own_status)
{
	struct db *db = test_open();
	struct errinfo err = { 0 };
	struct db_person p;
	int64_t key;

	ck_assert_int_eq(db_person_get(db, "x", &p, &err), ST_NO_SUCH_PERSON);
	ck_assert_int_eq(err.status, ST_NO_SUCH_PERSON);
	ck_assert_int_eq(db_person_by_key(db, 1, &p, NULL), ST_NO_SUCH_PERSON);
	ck_assert_int_eq(db_person_delete(db, "x", &test_by, &key, NULL),
			 ST_NO_SUCH_PERSON);
	ck_assert_int_eq(test_enroll(db, "x", NULL, false), ST_OK);
	ck_assert_int_eq(db_person_delete(db, "x", &test_by, &key, NULL),
			 ST_OK);
	ck_assert_int_eq(db_person_delete(db, "x", &test_by, &key, NULL),
			 ST_NO_SUCH_PERSON);
	ck_assert_int_eq(db_person_by_key(db, key, &p, NULL),
			 ST_NO_SUCH_PERSON);
	db_close(db);
}
END_TEST

START_TEST(key_of_a_deleted_person_is_not_used_again)
{
	struct db *db = test_open();
	int64_t first, second;

	ck_assert_int_eq(test_enroll(db, "a", NULL, false), ST_OK);
	ck_assert_int_eq(db_person_delete(db, "a", &test_by, &first, NULL),
			 ST_OK);
	db_close(db);
	db = test_open();
	ck_assert_int_eq(test_enroll(db, "a", NULL, false), ST_OK);
	second = get(db, "a").key;
	ck_assert_int_gt(second, first);
	db_close(db);
}
END_TEST

START_TEST(list_pages_through_people_in_order_of_id)
{
	struct db *db = test_open();
	struct db_person page[3];
	char id[16], after[PERSON_ID_MAX + 1] = "";
	size_t count, seen = 0;

	for (int i = 0; i < 10; i++) {
		(void)snprintf(id, sizeof id, "p%d", (i * 7) % 10);
		ck_assert_int_eq(test_enroll(db, id, NULL, false), ST_OK);
	}
	do {
		ck_assert_int_eq(
			db_people_list(db, after, page, 3, &count, NULL),
			ST_OK);
		for (size_t i = 0; i < count; i++, seen++) {
			(void)snprintf(id, sizeof id, "p%zu", seen);
			ck_assert_str_eq(page[i].id, id);
			ck_assert_int_eq(page[i].templates, TEST_PER_PERSON);
			memcpy(after, page[i].id, sizeof after);
		}
	} while (count == 3);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(seen, 10);
	db_close(db);
}
END_TEST

START_TEST(longest_id_and_name_fit)
{
	struct db *db = test_open();
	char id[PERSON_ID_MAX + 1], name[PERSON_NAME_MAX + 1];

	memset(id, 'i', sizeof id);
	memset(name, 'n', sizeof name);
	id[PERSON_ID_MAX] = 0;
	name[PERSON_NAME_MAX] = 0;
	ck_assert_int_eq(test_enroll(db, id, name, false), ST_OK);
	ck_assert_str_eq(get(db, id).name, name);
	db_close(db);
}
END_TEST

START_TEST(invalid_template_stores_nothing)
{
	struct db *db = test_open();
	const float bad[] = { 0.0F, -1.0F, NAN, INFINITY };
	struct face_template t[2];
	struct db_person p;
	int64_t key, ids[2];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		test_template("a", 0, &t[0]);
		test_template("a", 1, &t[1]);
		t[1].scale = bad[i];
		ck_assert_int_eq(db_enroll(db,
					   &(struct db_enrolment){
						   .person_id = "a",
						   .name = NULL,
						   .replace = false,
						   .model_id = TEST_MODEL,
						   .templates = t,
						   .count = 2,
						   .by.now_ms = 1 },
					   &key, ids, NULL),
				 ST_INTERNAL);
	}
	ck_assert_int_eq(
		db_enroll(db,
			  &(struct db_enrolment){ .person_id = "a",
						  .name = NULL,
						  .replace = false,
						  .model_id = TEST_MODEL,
						  .templates = t,
						  .count = 0,
						  .by.now_ms = 1 },
			  &key, ids, NULL),
		ST_INTERNAL);
	ck_assert_int_eq(db_person_get(db, "a", &p, NULL), ST_NO_SUCH_PERSON);
	db_close(db);
}
END_TEST

/* The model id is refused by the table, after the person's row was made. */
START_TEST(failure_in_mid_enrolment_leaves_no_half_person)
{
	struct db *db = test_open();
	struct errinfo err = { 0 };
	struct face_template t;
	struct db_person p;
	int64_t key, id;

	test_template("a", 0, &t);
	ck_assert_int_eq(db_enroll(db,
				   &(struct db_enrolment){ .person_id = "a",
							   .name = NULL,
							   .replace = false,
							   .model_id = "",
							   .templates = &t,
							   .count = 1,
							   .by.now_ms = 1 },
				   &key, &id, &err),
			 ST_INTERNAL);
	ck_assert_ptr_nonnull(strstr(err.text, "Storing the template"));
	ck_assert_int_eq(db_person_get(db, "a", &p, NULL), ST_NO_SUCH_PERSON);
	ck_assert_int_eq(test_enroll(db, "a", NULL, false), ST_OK);
	db_close(db);
}
END_TEST

struct counting {
	size_t rows, stop_at;
};

static enum status count_row(void *ctx, int64_t key, int64_t id,
			     const struct face_template *t)
{
	struct counting *c = ctx;

	(void)key;
	(void)id;
	(void)t;
	return ++c->rows == c->stop_at ? ST_GALLERY_FULL : ST_OK;
}

START_TEST(walk_gives_one_model_and_stops_when_told)
{
	struct db *db = test_open();
	struct counting c = { 0, 0 };
	struct face_template t;
	int64_t key, id, foreign = -1;

	ck_assert_int_eq(test_enroll(db, "a", NULL, false), ST_OK);
	ck_assert_int_eq(test_enroll(db, "b", NULL, false), ST_OK);
	test_template("a", 0, &t);
	ck_assert_int_eq(
		db_enroll(db,
			  &(struct db_enrolment){ .person_id = "a",
						  .name = NULL,
						  .replace = false,
						  .model_id = "other@2",
						  .templates = &t,
						  .count = 1,
						  .by.now_ms = 1 },
			  &key, &id, NULL),
		ST_OK);
	ck_assert_int_eq(db_templates_each(db, TEST_MODEL, count_row, &c, NULL),
			 ST_OK);
	ck_assert_uint_eq(c.rows, 2 * TEST_PER_PERSON);
	ck_assert_int_eq(db_templates_foreign(db, TEST_MODEL, &foreign, NULL),
			 ST_OK);
	ck_assert_int_eq(foreign, 1);
	c = (struct counting){ 0, 2 };
	ck_assert_int_eq(db_templates_each(db, TEST_MODEL, count_row, &c, NULL),
			 ST_GALLERY_FULL);
	ck_assert_uint_eq(c.rows, 2);
	/* The stopped walk holds nothing: a deletion still truncates the WAL.
	 */
	ck_assert_int_eq(db_person_delete(db, "b", &test_by, &key, NULL),
			 ST_OK);
	db_close(db);
}
END_TEST

START_TEST(writable_says_so_and_changes_nothing)
{
	struct db *db = test_open();

	ck_assert_int_eq(db_writable(db, NULL), ST_OK);
	ck_assert_int_eq(test_enroll(db, "a", NULL, false), ST_OK);
	ck_assert_int_eq(db_writable(db, NULL), ST_OK);
	ck_assert_uint_eq(test_check_whole(db), 1);
	db_close(db);
}
END_TEST

Suite *suite_db(void)
{
	Suite *s = suite_create("db");
	TCase *tc = tcase_create("people");

	tcase_add_checked_fixture(tc, test_dir_make, test_dir_remove);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, enrolled_person_is_visible_at_once);
	tcase_add_test(tc, everything_survives_closing_and_opening);
	tcase_add_test(tc, second_enrolment_appends_and_keeps_the_name);
	tcase_add_test(tc, replace_removes_the_older_templates);
	tcase_add_test(tc, unknown_person_has_its_own_status);
	tcase_add_test(tc, key_of_a_deleted_person_is_not_used_again);
	tcase_add_test(tc, list_pages_through_people_in_order_of_id);
	tcase_add_test(tc, longest_id_and_name_fit);
	tcase_add_test(tc, invalid_template_stores_nothing);
	tcase_add_test(tc, failure_in_mid_enrolment_leaves_no_half_person);
	tcase_add_test(tc, walk_gives_one_model_and_stops_when_told);
	tcase_add_test(tc, writable_says_so_and_changes_nothing);
	suite_add_tcase(s, tc);
	return s;
}
