/* What is encrypted cannot be read in the files, moved or changed. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "dbtest.h"
#include "internal.h"

Suite *suite_db_seal(void);

#define NAME	 "Planted Name of Ada"
#define METADATA "{\"note\":\"planted-note\"}"

static struct db_person planted(const char *id)
{
	struct db_person p = { .name = NAME,
			       .groups = "staff night",
			       .metadata = METADATA,
			       .valid_until_ms = 1,
			       .card = { 0x1122334455667788,
					 0x0807060504030201 } };

	(void)snprintf(p.id, sizeof p.id, "%s", id);
	return p;
}

static void expect_nothing_readable(void)
{
	static const char card[] = "\x88\x77\x66\x55\x44\x33\x22\x11";
	struct face_template t;

	ck_assert(!test_folder_holds("Planted", 7));
	ck_assert(!test_folder_holds("planted-note", 12));
	ck_assert(!test_folder_holds(card, 8));
	for (unsigned n = 0; n < TEST_PER_PERSON; n++) {
		test_template("a", n, &t);
		ck_assert(!test_folder_holds(t.v, 16));
	}
}

START_TEST(no_name_and_no_template_is_in_any_file)
{
	struct db *db = test_open();
	struct db_person p = planted("a"), got;

	ck_assert_int_eq(db_person_add(db, &p, &test_by, NULL), ST_OK);
	ck_assert_int_eq(test_enroll(db, "a", NULL, false), ST_OK);
	ck_assert_int_eq(test_enroll(db, "b", NAME, false), ST_OK);
	expect_nothing_readable();
	ck_assert(test_folder_holds("staff night", 11)); /* as documented */
	db_close(db);
	expect_nothing_readable();
	db = test_open();
	ck_assert_int_eq(db_person_get(db, "a", &got, NULL), ST_OK);
	ck_assert_str_eq(got.name, NAME);
	ck_assert_str_eq(got.metadata, METADATA);
	ck_assert_int_eq(got.card.facility, p.card.facility);
	ck_assert_int_eq(got.card.number, p.card.number);
	ck_assert_int_eq(got.created_ms, test_by.now_ms);
	ck_assert_uint_eq(test_check_whole(db), 2);
	db_close(db);
}
END_TEST

/* Equal rows look different, and so does one that is written again. */
START_TEST(equal_texts_are_not_equal_in_the_file)
{
	static const char find[] = "SELECT sealed FROM people WHERE id = ?1";
	struct db *db = test_open();
	char a[64], b[64], again[64];

	ck_assert_int_eq(test_enroll(db, "a", NAME, false), ST_OK);
	ck_assert_int_eq(test_enroll(db, "b", NAME, false), ST_OK);
	ck_assert_uint_eq(test_blob(db, find, "a", a, 64), 64);
	ck_assert_uint_eq(test_blob(db, find, "b", b, 64), 64);
	ck_assert_int_eq(test_enroll(db, "a", NAME, false), ST_OK);
	ck_assert_uint_eq(test_blob(db, find, "a", again, 64), 64);
	for (size_t i = 0; i + 8 <= 64; i++) {
		ck_assert_int_ne(memcmp(a + i, b + i, 8), 0);
		ck_assert_int_ne(memcmp(a + i, again + i, 8), 0);
	}
	db_close(db);
}
END_TEST

/* Each is one change by somebody who can write the file: which person and
 * which template do not open any more. */
static const struct change {
	const char *sql;
	bool person, template;
} changes[] = {
	{ "UPDATE templates SET sealed = (SELECT sealed FROM templates WHERE "
	  "id = 3) WHERE id = 1",
	  false, true },
	{ "UPDATE templates SET person_key = 2 WHERE id = 1", false, true },
	{ "UPDATE templates SET id = 99 WHERE id = 1", false, true },
	{ "UPDATE templates SET key_version = 2 WHERE id = 1", false, true },
	{ "UPDATE templates SET sealed = zeroblob(176) WHERE id = 1", false,
	  true },
	{ "UPDATE people SET sealed = (SELECT sealed FROM people WHERE key = 2)"
	  " WHERE key = 1",
	  true, false },
	{ "UPDATE people SET id = 'c' WHERE key = 2; "
	  "UPDATE people SET id = 'b' WHERE key = 1; "
	  "UPDATE people SET id = 'a' WHERE key = 2",
	  true, false },
	{ "UPDATE people SET groups = 'boss' WHERE key = 1", true, false },
	{ "UPDATE people SET valid_until_ms = 0 WHERE key = 1", true, false },
	{ "UPDATE people SET valid_from_ms = -1 WHERE key = 1", true, false },
	{ "UPDATE people SET key_version = 7 WHERE key = 1", true, false },
	{ "UPDATE people SET sealed = zeroblob(58) WHERE key = 1", true,
	  false },
	{ "UPDATE people SET sealed = zeroblob(698) WHERE key = 1", true,
	  false },
};

struct seen {
	unsigned count;
	bool first;
};

static enum status note(void *ctx, int64_t key, int64_t id,
			const struct face_template *t)
{
	struct seen *seen = ctx;

	(void)key;
	(void)t;
	seen->count++;
	seen->first |= id == 1 || id == 99;
	return ST_OK;
}

static void two_people(void)
{
	struct db *db = test_open();
	struct db_person p = planted("a");

	ck_assert_int_eq(db_person_add(db, &p, &test_by, NULL), ST_OK);
	ck_assert_int_eq(test_enroll(db, "a", NULL, false), ST_OK);
	ck_assert_int_eq(test_enroll(db, "b", "Bert", false), ST_OK);
	db_close(db);
}

START_TEST(changed_row_is_counted_and_matches_nobody)
{
	const struct change *c = &changes[_i];
	struct seen seen = { 0 };
	struct db_person p, page[4];
	struct db *db;
	size_t count;
	int64_t key;

	two_people();
	test_sql(c->sql);
	db = test_open();
	ck_assert_int_eq(db_templates_each(db, TEST_MODEL, note, &seen, NULL),
			 ST_OK);
	ck_assert_uint_eq(seen.count,
			  2 * TEST_PER_PERSON - (c->template ? 1 : 0));
	ck_assert_int_eq(seen.first, !c->template);
	ck_assert_int_eq(db_person_get(db, "a", &p, NULL),
			 c->person ? ST_BAD_DATABASE : ST_OK);
	ck_assert_uint_eq(db_corrupt_rows(db), 1);
	/* It is still listed, without its name, and can be deleted. */
	ck_assert_int_eq(db_people_list(db, "", page, 4, &count, NULL), ST_OK);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(page[0].id, "a");
	ck_assert_str_eq(page[0].name, c->person ? "" : NAME);
	ck_assert_int_eq(db_person_delete(db, "a", &test_by, &key, NULL),
			 ST_OK);
	db_close(db);
}
END_TEST

/* Bytes all over a stored template, one after the other. */
START_TEST(flipped_byte_is_found_wherever_it_is)
{
	uint8_t row[TEMPLATE_SEALED_BYTES];
	char sql[100 + 2 * TEMPLATE_SEALED_BYTES];
	struct db *db;

	two_people();
	db = test_open();
	ck_assert_uint_eq(test_blob(db,
				    "SELECT sealed FROM templates WHERE id = 1 "
				    "AND ?1 <> ''",
				    "x", row, sizeof row),
			  sizeof row);
	db_close(db);
	for (size_t at = 0; at < sizeof row; at += 5) {
		struct seen seen = { 0 };
		int n = snprintf(sql, sizeof sql,
				 "UPDATE templates SET sealed = x'");

		row[at] ^= 0x40;
		for (size_t i = 0; i < sizeof row; i++)
			n += snprintf(sql + n, sizeof sql - (size_t)n, "%02x",
				      row[i]);
		row[at] ^= 0x40;
		(void)snprintf(sql + n, sizeof sql - (size_t)n,
			       "' WHERE id = 1");
		test_sql(sql);
		db = test_open();
		ck_assert_int_eq(
			db_templates_each(db, TEST_MODEL, note, &seen, NULL),
			ST_OK);
		ck_assert_uint_eq(seen.count, 2 * TEST_PER_PERSON - 1);
		ck_assert_int_eq(seen.first, false);
		db_close(db);
	}
}
END_TEST

/* A row that does not decrypt stays as it is, and holds nothing up. */
START_TEST(damaged_rows_do_not_stop_a_change_of_keys)
{
	struct seen seen = { 0 };
	int64_t oldest, newest;
	struct db_person p;
	char path[512];
	struct db *db;
	bool more;

	two_people();
	test_sql("UPDATE people SET groups = 'boss' WHERE key = 1;"
		 "UPDATE templates SET id = 99 WHERE id = 1");
	db = test_open();
	test_path("facegate.key", path);
	ck_assert_int_eq(seal_add_key(path, &newest, NULL), ST_OK);
	do
		ck_assert_int_eq(db_reseal(db, &more, NULL), ST_OK);
	while (more);
	ck_assert_int_eq(db_key_versions(db, &oldest, &newest, NULL), ST_OK);
	ck_assert_int_eq(oldest, 2);
	ck_assert_int_eq(db_person_get(db, "a", &p, NULL), ST_BAD_DATABASE);
	ck_assert_int_eq(db_person_get(db, "b", &p, NULL), ST_OK);
	ck_assert_int_eq(db_templates_each(db, TEST_MODEL, note, &seen, NULL),
			 ST_OK);
	ck_assert_uint_eq(seen.count, 2 * TEST_PER_PERSON - 1);
	db_close(db);
}
END_TEST

Suite *suite_db_seal(void)
{
	Suite *s = suite_create("db_seal");
	TCase *tc = tcase_create("seal");

	tcase_add_checked_fixture(tc, test_dir_make, test_dir_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, no_name_and_no_template_is_in_any_file);
	tcase_add_test(tc, equal_texts_are_not_equal_in_the_file);
	tcase_add_loop_test(tc, changed_row_is_counted_and_matches_nobody, 0,
			    (int)(sizeof changes / sizeof *changes));
	tcase_add_test(tc, flipped_byte_is_found_wherever_it_is);
	tcase_add_test(tc, damaged_rows_do_not_stop_a_change_of_keys);
	suite_add_tcase(s, tc);
	return s;
}
