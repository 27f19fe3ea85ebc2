/* Crops: kept only when they are given, unreadable in the files, gone with the
 * templates they are of use for, and turned into templates of another model
 * exactly once, whatever happens in between.
 */
#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbtest.h"
#include "faultvfs.h"
#include "internal.h"
#include "transfer.h"

Suite *suite_db_crops(void);

#define NEXT_MODEL "next@00000002"
#define EACH	   TEST_PER_PERSON

/* Bytes that follow from the person and the number, as a picture's do not
 * repeat. */
static void crop_of(const char *id, unsigned n, uint8_t out[FACE_CROP_BYTES])
{
	unsigned x = 2166136261U + n;

	for (const char *p = id; *p; p++)
		x = (x ^ (unsigned char)*p) * 16777619U;
	for (size_t i = 0; i < FACE_CROP_BYTES; i++) {
		x = x * 1664525U + 1013904223U;
		out[i] = (uint8_t)(x >> 24);
	}
}

static void enrol(struct db *db, const char *id)
{
	static uint8_t crops[EACH * FACE_CROP_BYTES];
	struct face_template t[EACH];
	int64_t key, ids[EACH];

	for (unsigned i = 0; i < EACH; i++) {
		test_template(id, i, &t[i]);
		crop_of(id, i, crops + i * FACE_CROP_BYTES);
	}
	ck_assert_int_eq(
		db_enroll(db,
			  &(struct db_enrolment){ .person_id = id,
						  .model_id = TEST_MODEL,
						  .templates = t,
						  .crops = crops,
						  .count = EACH,
						  .by = test_by },
			  &key, ids, NULL),
		ST_OK);
}

/* As the daemon opens it, with a model in use. */
static struct db *open_with(const char *model)
{
	struct db_options opt = test_options();
	struct db *db = NULL;

	opt.model_id = model;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	return db;
}

static void expect_crops(struct db *db, int64_t all, int64_t waiting)
{
	int64_t a, w;

	ck_assert_int_eq(db_crops_count(db, NEXT_MODEL, &a, &w, NULL), ST_OK);
	ck_assert_int_eq(a, all);
	ck_assert_int_eq(w, waiting);
}

/* What "the next model" makes of a crop. */
static void template_of(const uint8_t *rgb, struct face_template *out)
{
	memcpy(out->v, rgb, TEMPLATE_DIM);
	out->scale = 0.01F;
	out->length = 9;
}

/* Makes templates of all that wait; returns how many, or the failure. */
static enum status reembed_all(struct db *db, int *made)
{
	uint8_t rgb[FACE_CROP_BYTES];
	struct face_template t;
	struct db_crop crop;
	int64_t after = 0, id;
	bool found = true;
	enum status st = ST_OK;

	while (st == ST_OK && found) {
		st = db_crop_next(db, NEXT_MODEL, after, &crop, rgb, &found,
				  NULL);
		if (st != ST_OK || !found)
			break;
		after = crop.id;
		template_of(rgb, &t);
		st = db_crop_embedded(db, &crop, NEXT_MODEL, &t, 50, 7, &id,
				      NULL);
		*made += st == ST_OK;
	}
	return st;
}

static const char *const people[] = { "a", "b" }; /* with keys 1 and 2 */

static enum status check_new(void *ctx, int64_t key, int64_t id,
			     const struct face_template *t)
{
	unsigned *count = ctx;
	uint8_t rgb[FACE_CROP_BYTES];
	bool right = false;

	(void)id;
	for (unsigned n = 0; n < EACH; n++) {
		crop_of(people[key - 1], n, rgb);
		right |= memcmp(t->v, rgb, TEMPLATE_DIM) == 0;
	}
	ck_assert(right);
	++*count;
	return ST_OK;
}

/* How many templates the next model has, each of the right person. */
static unsigned new_templates(struct db *db)
{
	unsigned count = 0;

	ck_assert_int_eq(
		db_templates_each(db, NEXT_MODEL, check_new, &count, NULL),
		ST_OK);
	return count;
}

START_TEST(nothing_is_kept_unless_it_is_given)
{
	struct db *db = test_open();
	struct db_template rows[4];
	size_t n;

	ck_assert_int_eq(test_enroll(db, "a", NULL, false), ST_OK);
	expect_crops(db, 0, 0);
	enrol(db, "b");
	expect_crops(db, EACH, EACH);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(
			db_templates_list(db, people[i], 0, rows, 4, &n, NULL),
			ST_OK);
		ck_assert_uint_eq(n, EACH);
		for (size_t k = 0; k < n; k++)
			ck_assert_int_eq(rows[k].crop_id != 0, i == 1);
	}
	db_close(db);
}
END_TEST

START_TEST(another_model_embeds_each_once_and_the_way_back_stays)
{
	uint8_t rgb[FACE_CROP_BYTES], want[FACE_CROP_BYTES];
	struct face_template t;
	struct db_crop crop;
	struct db *db = test_open();
	int64_t id;
	bool found;
	int made = 0;

	enrol(db, "a");
	enrol(db, "b");
	db_close(db);
	db = open_with(NEXT_MODEL);
	for (unsigned n = 0; n < 2 * EACH; n++) {
		ck_assert_int_eq(db_crop_next(db, NEXT_MODEL, n, &crop, rgb,
					      &found, NULL),
				 ST_OK);
		ck_assert(found);
		ck_assert_int_eq(crop.id, n + 1);
		crop_of(people[n / EACH], n % EACH, want);
		ck_assert_mem_eq(rgb, want, FACE_CROP_BYTES);
	}
	ck_assert_int_eq(reembed_all(db, &made), ST_OK);
	ck_assert_int_eq(made, 2 * EACH);
	expect_crops(db, 2 * EACH, 0);
	ck_assert_uint_eq(new_templates(db), 2 * EACH);
	/* Twice is once. */
	template_of(rgb, &t);
	ck_assert_int_eq(
		db_crop_embedded(db, &crop, NEXT_MODEL, &t, 50, 7, &id, NULL),
		ST_NO_SUCH_TEMPLATE);
	/* And on the way back there is nothing to do. */
	ck_assert_int_eq(
		db_crop_next(db, TEST_MODEL, 0, &crop, rgb, &found, NULL),
		ST_OK);
	ck_assert(!found);
	db_close(db);
}
END_TEST

/* Pieces of what is in the table, and of what it was made from. */
enum { PIECE = 64, PLACES = 3 };
static char pieces[2 * 2 * EACH * PLACES][PIECE];

static void take_pieces(struct db *db)
{
	static const size_t at[PLACES] = { 0, FACE_CROP_BYTES / 2,
					   FACE_CROP_BYTES - PIECE };
	uint8_t rgb[FACE_CROP_BYTES];
	char sql[128];
	size_t k = 0;

	for (unsigned n = 0; n < 2 * EACH; n++) {
		crop_of(people[n / EACH], n % EACH, rgb);
		for (size_t i = 0; i < PLACES; i++) {
			memcpy(pieces[k++], rgb + at[i], PIECE);
			(void)snprintf(sql, sizeof sql,
				       "SELECT substr(sealed, %zu, %d) FROM "
				       "crops WHERE id = %u AND ?1 <> ''",
				       at[i] + 1, PIECE, n + 1);
			ck_assert_uint_eq(
				test_blob(db, sql, "x", pieces[k++], PIECE),
				PIECE);
		}
	}
}

/* Which of person's bytes any file holds: plain ones, encrypted ones. */
static void expect_bytes(unsigned person, bool sealed)
{
	unsigned each = 2 * EACH * PLACES;

	for (unsigned k = person * each; k < (person + 1) * each; k++)
		ck_assert_int_eq(test_folder_holds(pieces[k], PIECE),
				 k % 2 ? sealed : 0);
}

static void erase_person(struct db *db)
{
	int64_t key;

	ck_assert_int_eq(db_person_delete(db, "a", &test_by, &key, NULL),
			 ST_OK);
}

static void erase_all(struct db *db)
{
	bool more;

	do
		ck_assert_int_eq(db_crops_erase(db, &test_by, &more, NULL),
				 ST_OK);
	while (more);
	expect_crops(db, 0, 0);
}

static void delete_template(struct db *db, int64_t id)
{
	int64_t key;

	ck_assert_int_eq(db_template_delete(db, "a", id, &test_by, &key, NULL),
			 ST_OK);
}

static void erase_templates(struct db *db)
{
	for (int64_t id = 1; id <= EACH; id++)
		delete_template(db, id);
}

static void replace_templates(struct db *db)
{
	ck_assert_int_eq(test_enroll(db, "a", NULL, true), ST_OK);
}

static void import_over(struct db *db)
{
	struct db_person p = {
		.id = "a", .metadata = "{}", .card = { -1, -1 }, .created_ms = 1
	};
	struct db_import im;

	ck_assert_int_eq(
		db_import_begin(&im, db, DB_EXISTING_REPLACE, &test_by, NULL),
		ST_OK);
	ck_assert_int_eq(
		db_import_end(&im, db_import_person(&im, &p, NULL), 100, NULL),
		ST_OK);
}

static void (*const erasures[])(struct db *db) = {
	erase_person, erase_templates, replace_templates, import_over
};

START_TEST(what_is_erased_leaves_no_byte_and_others_stay)
{
	struct db *db = test_open();

	enrol(db, "a");
	enrol(db, "b");
	take_pieces(db);
	expect_bytes(0, true);
	erasures[_i](db);
	expect_crops(db, EACH, EACH);
	expect_bytes(0, false);
	expect_bytes(1, true);
	enrol(db, "c"); /* nothing comes back from the cache */
	db_close(db);
	expect_bytes(0, false);
	expect_bytes(1, true);
}
END_TEST

START_TEST(all_are_erased_when_they_are_not_to_be_kept)
{
	struct db *db = test_open();

	for (int i = 0; i < 10; i++)
		enrol(db, people[i % 2]);
	take_pieces(db);
	erase_all(db);
	expect_bytes(0, false);
	expect_bytes(1, false);
	db_close(db);
}
END_TEST

/* Loop: before and after they were made anew. Only a template of the model in
 * use, when there is one, takes the crop along; else one that was deleted would
 * come back at the next start. */
START_TEST(crop_goes_with_the_template_that_is_of_use)
{
	struct db *db = test_open();
	int made = 0;

	enrol(db, "a"); /* templates 1 and 2 */
	db_close(db);
	db = open_with(NEXT_MODEL);
	if (_i == 0) {
		delete_template(db, 1);
		expect_crops(db, EACH - 1, EACH - 1);
	}
	ck_assert_int_eq(reembed_all(db, &made), ST_OK); /* 3 and 4 */
	ck_assert_int_eq(made, _i == 0 ? EACH - 1 : EACH);
	if (_i == 1) {
		delete_template(db, 1);
		expect_crops(db, EACH, 0);
		delete_template(db, 3);
		expect_crops(db, EACH - 1, 0);
		delete_template(db, 4); /* that of the old model stays */
		expect_crops(db, EACH - 2, 0);
	}
	ck_assert_int_eq(reembed_all(db, &made), ST_OK);
	ck_assert_int_eq(made, _i == 0 ? EACH - 1 : EACH);
	db_close(db);
}
END_TEST

/* Each is one change by somebody who can write the file. */
static const char *const changes[] = {
	"UPDATE crops SET sealed = (SELECT sealed FROM crops WHERE id = 3) "
	"WHERE id = 1",
	"UPDATE crops SET person_key = 2 WHERE id = 1",
	"UPDATE templates SET crop_id = NULL WHERE crop_id = 1;"
	"UPDATE crops SET id = 99 WHERE id = 1",
	"UPDATE crops SET key_version = 2 WHERE id = 1",
	"UPDATE crops SET sealed = zeroblob(37672) WHERE id = 1",
	"UPDATE crops SET sealed = CAST(substr(sealed, 1, 20000) || "
	"x'0000000000000000' || substr(sealed, 20009) AS BLOB) WHERE id = 1",
};

START_TEST(changed_crop_is_counted_and_never_embedded)
{
	struct db *db = test_open();
	int made = 0;

	enrol(db, "a");
	enrol(db, "b");
	db_close(db);
	test_sql(changes[_i]);
	db = open_with(NEXT_MODEL);
	ck_assert_int_eq(reembed_all(db, &made), ST_OK);
	ck_assert_int_eq(made, 2 * EACH - 1);
	ck_assert_uint_eq(new_templates(db), 2 * EACH - 1);
	expect_crops(db, 2 * EACH, 1); /* it still waits, and is seen to */
	ck_assert_uint_eq(db_corrupt_rows(db), 1);
	/* It can be erased. */
	erase_all(db);
	db_close(db);
}
END_TEST

START_TEST(new_key_encrypts_crops_again)
{
	struct db *db = test_open();
	int64_t newest;
	char path[512];
	int made = 0, turns = 0;
	bool more;

	enrol(db, "a");
	enrol(db, "b");
	take_pieces(db);
	test_path("facegate.key", path);
	ck_assert_int_eq(seal_add_key(path, &newest, NULL), ST_OK);
	do {
		ck_assert_int_eq(db_reseal(db, &more, NULL), ST_OK);
		turns++;
	} while (more);
	ck_assert_int_gt(turns, 1); /* not all in one transaction */
	expect_bytes(0, false);
	expect_bytes(1, false);
	ck_assert_int_eq(reembed_all(db, &made), ST_OK);
	ck_assert_int_eq(made, 2 * EACH);
	ck_assert_uint_eq(new_templates(db), 2 * EACH);
	db_close(db);
}
END_TEST

START_TEST(backup_carries_them_and_shows_nothing)
{
	struct db_options opt = test_options();
	char file[512], kept[DB_KEPT_MAX];
	struct db *db = test_open();
	int made = 0;

	enrol(db, "a");
	enrol(db, "b");
	take_pieces(db);
	test_path("copy", file);
	ck_assert_int_eq(db_backup(&opt, file, NULL), ST_OK);
	expect_bytes(0, true);
	erase_person(db);
	db_close(db);
	ck_assert_int_eq(db_restore(&opt, file, kept, NULL), ST_OK);
	db = test_open();
	ck_assert_int_eq(reembed_all(db, &made), ST_OK);
	ck_assert_int_eq(made, 2 * EACH);
	ck_assert_uint_eq(new_templates(db), 2 * EACH);
	db_close(db);
}
END_TEST

/* Loop: the operation at which the power fails. Each template is there once in
 * the end, whatever was lost. */
START_TEST(power_cut_in_the_middle_goes_on_at_the_next_start)
{
	for (unsigned seed = 1; seed <= 3; seed++) {
		int made = 0, acknowledged = 0;
		struct db *db;

		test_dir_remove();
		test_dir_make();
		db = test_open();
		enrol(db, "a");
		enrol(db, "b");
		fault_power_on(3 * _i + 1);
		(void)!reembed_all(db, &acknowledged);
		db_close(db);
		fault_power_settle(seed * 7919U + (unsigned)_i);
		db = test_open();
		ck_assert_uint_ge(new_templates(db), (unsigned)acknowledged);
		ck_assert_int_eq(reembed_all(db, &made), ST_OK);
		ck_assert_uint_eq(new_templates(db), 2 * EACH);
		db_close(db);
	}
}
END_TEST

Suite *suite_db_crops(void)
{
	Suite *s = suite_create("db_crops");
	TCase *tc = tcase_create("crops");
	TCase *power = tcase_create("power");

	tcase_add_checked_fixture(tc, test_dir_make, test_dir_remove);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, nothing_is_kept_unless_it_is_given);
	tcase_add_test(tc,
		       another_model_embeds_each_once_and_the_way_back_stays);
	tcase_add_loop_test(tc, what_is_erased_leaves_no_byte_and_others_stay,
			    0, (int)(sizeof erasures / sizeof *erasures));
	tcase_add_test(tc, all_are_erased_when_they_are_not_to_be_kept);
	tcase_add_loop_test(tc, crop_goes_with_the_template_that_is_of_use, 0,
			    2);
	tcase_add_loop_test(tc, changed_crop_is_counted_and_never_embedded, 0,
			    (int)(sizeof changes / sizeof *changes));
	tcase_add_test(tc, new_key_encrypts_crops_again);
	tcase_add_test(tc, backup_carries_them_and_shows_nothing);
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(power, test_dir_make, test_dir_remove);
	tcase_add_checked_fixture(power, fault_install, fault_remove);
	tcase_set_timeout(power, 60);
	tcase_add_loop_test(power,
			    power_cut_in_the_middle_goes_on_at_the_next_start,
			    0, 12);
	suite_add_tcase(s, power);
	return s;
}
