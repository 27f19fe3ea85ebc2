/* People read out of one store and put into another, all or none of them; and
 * the row that an export leaves in the audit log.
 */
#include "transfer.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "dbtest.h"
#include "internal.h"

Suite *suite_db_transfer(void);

enum { CROWD = 3000, PERSON_MAX = 8, TEMPLATE_MAX = 16 };

/* What an export gave. */
static struct {
	struct db_person people[PERSON_MAX];
	struct db_template about[TEMPLATE_MAX];
	struct face_template t[TEMPLATE_MAX];
	size_t owner[TEMPLATE_MAX], n, templates;
	enum status answer; /* of who takes it */
} taken;

static const struct db_by later = { NULL, 1800000000000 };

static enum status take_person(void *ctx, const struct db_person *p)
{
	(void)ctx;
	ck_assert_uint_lt(taken.n, PERSON_MAX);
	taken.people[taken.n++] = *p;
	return taken.answer;
}

static enum status take_template(void *ctx, const struct db_template *about,
				 const struct face_template *t)
{
	(void)ctx;
	ck_assert_uint_lt(taken.templates, TEMPLATE_MAX);
	taken.owner[taken.templates] = taken.n - 1;
	taken.about[taken.templates] = *about;
	taken.t[taken.templates++] = *t;
	return ST_OK;
}

static enum status take(struct db *db, const char *person_id)
{
	static const struct db_taker to = { take_person, take_template, NULL };

	taken.n = taken.templates = 0;
	return db_export(db, person_id, &to, NULL);
}

static enum status put(struct db *db, enum db_existing existing,
		       int64_t gallery_max, struct db_import *im)
{
	enum status st = db_import_begin(im, db, existing, &later, NULL);
	size_t k = 0;

	ck_assert_int_eq(st, ST_OK);
	for (size_t i = 0; st == ST_OK && i < taken.n; i++) {
		st = db_import_person(im, &taken.people[i], NULL);
		for (;
		     st == ST_OK && k < taken.templates && taken.owner[k] == i;
		     k++)
			st = db_import_template(im, &taken.about[k],
						&taken.t[k], NULL);
	}
	return db_import_end(im, st, gallery_max, NULL);
}

/* Three people, one of them without a template. */
static void fill(struct db *db)
{
	struct db_person p = { .id = "b",
			       .name = "B",
			       .groups = "staff",
			       .valid_until_ms = 5,
			       .metadata = "{\"a\":1}",
			       .card = { 1, 2 } };

	ck_assert_int_eq(db_person_add(db, &p, &test_by, NULL), ST_OK);
	ck_assert_int_eq(test_enroll(db, "c", "C", false), ST_OK);
	ck_assert_int_eq(test_enroll(db, "a", "A", false), ST_OK);
}

static void check_people(struct db *db)
{
	struct db_person p;

	ck_assert_int_eq(db_person_get(db, "b", &p, NULL), ST_OK);
	ck_assert_str_eq(p.name, "B");
	ck_assert_str_eq(p.groups, "staff");
	ck_assert_str_eq(p.metadata, "{\"a\":1}");
	ck_assert_int_eq(p.valid_until_ms, 5);
	ck_assert_int_eq(p.card.number, 2);
	ck_assert_int_eq(p.templates, 0);
	ck_assert_int_eq(p.created_ms, test_by.now_ms);
}

static struct db *open_for(const char *model)
{
	struct db_options opt = test_options();
	struct db *db = NULL;

	opt.model_id = model;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	return db;
}

static void empty(struct db *db)
{
	int64_t key;

	for (size_t i = 0; i < taken.n; i++)
		ck_assert_int_eq(db_person_delete(db, taken.people[i].id,
						  &test_by, &key, NULL),
				 ST_OK);
}

START_TEST(people_come_in_order_with_their_templates_and_go_in_as_they_were)
{
	static const char *const order[] = { "a", "b", "c" };
	struct db *db = open_for(TEST_MODEL);
	struct db_template list[4];
	struct db_import im;
	size_t n;

	fill(db);
	ck_assert_int_eq(take(db, NULL), ST_OK);
	ck_assert_uint_eq(taken.n, 3);
	ck_assert_uint_eq(taken.templates, 2 * TEST_PER_PERSON);
	for (size_t i = 0; i < 3; i++)
		ck_assert_str_eq(taken.people[i].id, order[i]);
	taken.about[0].quality = 12.5;
	empty(db);
	ck_assert_int_eq(put(db, DB_EXISTING_REFUSE, 4, &im), ST_OK);
	ck_assert_int_eq(im.added, 3);
	ck_assert_int_eq(im.templates, 2 * TEST_PER_PERSON);
	ck_assert_int_eq(im.other_model, 0);
	check_people(db);
	ck_assert_int_eq(db_templates_list(db, "a", 0, list, 4, &n, NULL),
			 ST_OK);
	ck_assert_uint_eq(n, TEST_PER_PERSON);
	ck_assert(list[0].quality == 12.5 && isnan(list[1].quality));
	ck_assert_int_eq(list[0].created_ms, test_by.now_ms);
	/* All with templates have all of them, to the bit. */
	ck_assert_int_eq(db_person_delete(db, "b", &test_by, &im.people, NULL),
			 ST_OK);
	ck_assert_uint_eq(test_check_whole(db), 2);
	db_close(db);
}
END_TEST

START_TEST(one_person_is_read_alone)
{
	struct db *db = test_open();

	fill(db);
	ck_assert_int_eq(take(db, "c"), ST_OK);
	ck_assert_uint_eq(taken.n, 1);
	ck_assert_str_eq(taken.people[0].name, "C");
	ck_assert_uint_eq(taken.templates, TEST_PER_PERSON);
	ck_assert_int_eq(take(db, "d"), ST_NO_SUCH_PERSON);
	ck_assert_uint_eq(taken.n, 0);
	taken.answer = ST_DISK_FULL;
	ck_assert_int_eq(take(db, NULL), ST_DISK_FULL);
	ck_assert_uint_eq(taken.n, 1);
	taken.answer = ST_OK;
	ck_assert_int_eq(take(db, NULL), ST_OK);
	db_close(db);
}
END_TEST

START_TEST(damaged_row_ends_an_export)
{
	struct db *db = test_open();

	fill(db);
	db_close(db);
	test_sql("UPDATE templates SET sealed = zeroblob(length(sealed)) "
		 "WHERE id = 2");
	db = test_open();
	ck_assert_int_eq(take(db, NULL), ST_BAD_DATABASE);
	ck_assert_int_eq(take(db, "b"), ST_OK);
	db_close(db);
	test_sql("UPDATE people SET groups = 'admins' WHERE id = 'b'");
	db = test_open();
	ck_assert_int_eq(take(db, "b"), ST_BAD_DATABASE);
	db_close(db);
}
END_TEST

START_TEST(what_cannot_go_in_whole_leaves_nothing)
{
	struct db *db = open_for(TEST_MODEL);
	struct db_audit_row rows[16];
	struct db_import im;
	size_t before, after;

	fill(db);
	ck_assert_int_eq(take(db, NULL), ST_OK);
	empty(db);
	ck_assert_int_eq(test_enroll(db, "c", "kept", false), ST_OK);
	ck_assert_int_eq(db_audit_list(db, 0, rows, 16, &before, NULL), ST_OK);
	ck_assert_int_eq(put(db, DB_EXISTING_REFUSE, 100, &im),
			 ST_PERSON_EXISTS);
	ck_assert_int_eq(im.known, 1);
	ck_assert_str_eq(im.first_known, "c");
	ck_assert_int_eq(put(db, DB_EXISTING_SKIP, 3, &im), ST_GALLERY_FULL);
	db->people_max = 2;
	ck_assert_int_eq(put(db, DB_EXISTING_SKIP, 100, &im), ST_STORE_FULL);
	db->people_max = 100;
	ck_assert_int_eq(db_audit_list(db, 0, rows, 16, &after, NULL), ST_OK);
	ck_assert_uint_eq(before, after);
	ck_assert_uint_eq(test_check_whole(db), 1);
	ck_assert_int_eq(put(db, DB_EXISTING_SKIP, 4, &im), ST_OK);
	ck_assert_int_eq(im.added, 2);
	ck_assert_int_eq(im.known, 1);
	ck_assert_int_eq(im.templates, TEST_PER_PERSON);
	db_close(db);
}
END_TEST

START_TEST(replaced_people_keep_their_number)
{
	struct db *db = open_for("other@00000002");
	struct db_person p;
	struct db_import im;
	int64_t key;

	fill(db);
	ck_assert_int_eq(take(db, NULL), ST_OK);
	ck_assert_int_eq(db_person_get(db, "c", &p, NULL), ST_OK);
	key = p.key;
	ck_assert_int_eq(test_enroll(db, "c", "Changed", false), ST_OK);
	ck_assert_int_eq(put(db, DB_EXISTING_REPLACE, 0, &im), ST_OK);
	ck_assert_int_eq(im.replaced, 3);
	ck_assert_int_eq(im.other_model, im.templates);
	ck_assert_int_eq(db_person_get(db, "c", &p, NULL), ST_OK);
	ck_assert_str_eq(p.name, "C");
	ck_assert_int_eq(p.key, key);
	ck_assert_int_eq(p.templates, TEST_PER_PERSON);
	ck_assert_int_eq(p.updated_ms, later.now_ms);
	db_close(db);
}
END_TEST

START_TEST(replaced_rows_leave_no_byte)
{
	struct db *db = test_open();
	uint8_t sealed[2][512];
	struct db_import im;
	size_t n[2];

	fill(db);
	ck_assert_int_eq(take(db, NULL), ST_OK);
	n[0] = test_blob(db, "SELECT sealed FROM people WHERE id = ?1", "c",
			 sealed[0], sizeof sealed[0]);
	n[1] = test_blob(db,
			 "SELECT t.sealed FROM templates t JOIN people p "
			 "ON p.key = t.person_key WHERE p.id = ?1",
			 "c", sealed[1], sizeof sealed[1]);
	ck_assert(n[0] > 0 && n[1] > 0);
	ck_assert(test_folder_holds(sealed[0], n[0]));
	ck_assert_int_eq(put(db, DB_EXISTING_REPLACE, 100, &im), ST_OK);
	ck_assert(!test_folder_holds(sealed[0], n[0]));
	ck_assert(!test_folder_holds(sealed[1], n[1]));
	db_close(db);
}
END_TEST

/* More than the page cache and SQLite's heap hold. */
START_TEST(a_crowd_goes_in_at_once)
{
	struct db_person p = { .metadata = "{}",
			       .card = { -1, -1 },
			       .created_ms = 1 };
	struct db_template about = { .model_id = TEST_MODEL, .created_ms = 1 };
	struct face_template t;
	struct db *db = test_open();
	struct db_import im;
	struct db_person found;

	ck_assert_int_eq(
		db_import_begin(&im, db, DB_EXISTING_REFUSE, &later, NULL),
		ST_OK);
	memset(p.name, 'n', PERSON_NAME_MAX);
	for (int i = 0; i < CROWD; i++) {
		(void)snprintf(p.id, sizeof p.id, "person-%05d", i);
		ck_assert_int_eq(db_import_person(&im, &p, NULL), ST_OK);
		for (unsigned k = 0; k < TEST_PER_PERSON; k++) {
			test_template(p.id, k, &t);
			ck_assert_int_eq(
				db_import_template(&im, &about, &t, NULL),
				ST_OK);
		}
	}
	/* Until the end nobody sees any of it. */
	ck_assert_int_eq(db_person_get(db, "person-00000", &found, NULL),
			 ST_NO_SUCH_PERSON);
	ck_assert_int_eq(db_import_end(&im, ST_OK, 2 * CROWD, NULL), ST_OK);
	ck_assert_uint_eq(test_check_whole(db), CROWD);
	db_close(db);
	db = test_open();
	ck_assert_uint_eq(test_check_whole(db), CROWD);
	db_close(db);
}
END_TEST

static size_t export_rows(struct db *db, struct db_audit_row rows[8])
{
	size_t n = 0, found = 0;

	ck_assert_int_eq(db_audit_list(db, 0, rows, 8, &n, NULL), ST_OK);
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].action, "export") == 0)
			rows[found++] = rows[i];
	return found;
}

START_TEST(export_is_noted_here_when_no_daemon_has_the_store)
{
	struct db_options opt = test_options();
	struct db_audit_row rows[8];
	struct db *db = test_open();

	fill(db);
	db_close(db);
	ck_assert_int_eq(db_audit_export(&opt, &later, 2, NULL), ST_OK);
	db = test_open();
	ck_assert_uint_eq(export_rows(db, rows), 1);
	ck_assert_int_eq(rows[0].person_key, 2);
	ck_assert_int_eq(rows[0].at_ms, later.now_ms);
	db_close(db);
}
END_TEST

static void write_note(const char *text)
{
	char path[512];
	FILE *f;

	test_path("export.note", path);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static bool note_is_there(void)
{
	char path[512];

	test_path("export.note", path);
	return access(path, F_OK) == 0;
}

START_TEST(daemon_writes_the_row_and_takes_the_note_away)
{
	static const char *const bad[] = { "",
					   "export 1",
					   "export -1\n",
					   "export 1\n\n",
					   "erase 1\n",
					   "export x\n",
					   "export 1\nexport 2\n" };
	struct db_audit_row rows[8];
	struct db *db = test_open();
	bool more;

	fill(db);
	db_upkeep(db, later.now_ms, &more);
	ck_assert_uint_eq(export_rows(db, rows), 0);
	write_note("export 0\n");
	db_upkeep(db, later.now_ms, &more);
	ck_assert(!note_is_there());
	ck_assert_uint_eq(export_rows(db, rows), 1);
	ck_assert_int_eq(rows[0].person_key, 0);
	ck_assert_int_eq(rows[0].at_ms, later.now_ms);
	/* What is no note of ours goes, and is no row. */
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		write_note(bad[i]);
		db_upkeep(db, later.now_ms, &more);
		ck_assert(!note_is_there());
	}
	ck_assert_uint_eq(export_rows(db, rows), 1);
	db_close(db);
}
END_TEST

START_TEST(note_stays_until_its_row_can_be_written)
{
	struct db_audit_row rows[8];
	struct db *db = test_open();
	bool more;

	fill(db);
	write_note("export 1\n");
	db->refuses = ST_VERIFY_ONLY;
	db_upkeep(db, later.now_ms, &more);
	ck_assert(note_is_there());
	db->refuses = ST_OK;
	db_upkeep(db, later.now_ms, &more);
	ck_assert(!note_is_there());
	ck_assert_uint_eq(export_rows(db, rows), 1);
	db_close(db);
}
END_TEST

static void setup(void)
{
	test_dir_make();
	memset(&taken, 0, sizeof taken);
}

Suite *suite_db_transfer(void)
{
	Suite *s = suite_create("db_transfer");
	TCase *tc = tcase_create("db_transfer");

	tcase_add_checked_fixture(tc, setup, test_dir_remove);
	tcase_set_timeout(tc, 60);
	tcase_add_test(
		tc,
		people_come_in_order_with_their_templates_and_go_in_as_they_were);
	tcase_add_test(tc, one_person_is_read_alone);
	tcase_add_test(tc, damaged_row_ends_an_export);
	tcase_add_test(tc, what_cannot_go_in_whole_leaves_nothing);
	tcase_add_test(tc, replaced_people_keep_their_number);
	tcase_add_test(tc, replaced_rows_leave_no_byte);
	tcase_add_test(tc, a_crowd_goes_in_at_once);
	tcase_add_test(tc, export_is_noted_here_when_no_daemon_has_the_store);
	tcase_add_test(tc, daemon_writes_the_row_and_takes_the_note_away);
	tcase_add_test(tc, note_stays_until_its_row_can_be_written);
	suite_add_tcase(s, tc);
	return s;
}
