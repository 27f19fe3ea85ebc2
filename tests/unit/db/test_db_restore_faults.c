/* Everything that a backup, a restore, a start with a damaged database and a
 * change of keys do fails in turn, from the first operation to the last: it is
 * told, no row is lost, no half file is taken for a whole one, and a later try
 * works: the last, in which nothing fails, begins with what the others left.
 */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dbtest.h"
#include "faultcalls.h"
#include "faultvfs.h"
#include "files.h"
#include "internal.h"
#include "log.h"

Suite *suite_db_restore_faults(void);

static const struct fault_case {
	unsigned kinds;
	int code;
	enum status status;
} cases[] = {
	{ FAULT_OPEN, SQLITE_CANTOPEN, ST_IO_ERROR },
	{ FAULT_READ, SQLITE_IOERR_READ, ST_IO_ERROR },
	{ FAULT_WRITE, SQLITE_FULL, ST_DISK_FULL },
	{ FAULT_SYNC | FAULT_TRUNCATE, SQLITE_IOERR_FSYNC, ST_IO_ERROR },
	{ FAULT_FOLDER, SQLITE_IOERR_DELETE, ST_IO_ERROR },
	{ FAULT_MEMORY, SQLITE_NOMEM, ST_NO_MEMORY },
};

/* Loops: each case with one failure, and with all from it on; memory comes back
 * at once. For opening, test_db_memory.c has that. */
#define LOOPS	   (2 * (int)(sizeof cases / sizeof *cases) - 1)
#define FILE_LOOPS (LOOPS - 1)

static const struct fault_case *now; /* the case of this loop */
static bool forever;

/* CROWD people are in `first`, a backup, and one more in the database that was
 * saved as a killed daemon leaves it, with its WAL, as `saved`. */
enum { CROWD = 12 };
static char path[512], first[512], saved[512], backup[512], key[512],
	saved_key[512];

static void copy(const char *from, const char *to)
{
	struct errinfo err = { 0 };

	ck_assert_msg(db_copy_file(from, to, &err) == ST_OK, "%s", err.text);
}

static void copy_database(const char *from, const char *to)
{
	char a[600], b[600];

	copy(from, to);
	(void)snprintf(a, sizeof a, "%s-wal", from);
	(void)snprintf(b, sizeof b, "%s-wal", to);
	copy(a, b);
}

static bool same(const char *a, const char *b)
{
	FILE *x = fopen(a, "rb"), *y = fopen(b, "rb");
	char one[4096], other[4096];
	bool equal = x && y;
	size_t n, m;

	do {
		n = equal ? fread(one, 1, sizeof one, x) : 0;
		m = equal ? fread(other, 1, sizeof other, y) : 0;
		equal = equal && n == m && memcmp(one, other, n) == 0;
	} while (equal && n > 0);
	if (x)
		(void)fclose(x);
	if (y)
		(void)fclose(y);
	return equal;
}

static void enrol(struct db *db, int i)
{
	char id[32];

	(void)snprintf(id, sizeof id, "p%d", i);
	ck_assert_int_eq(test_enroll(db, id, id, false), ST_OK);
}

static void begin(int loop)
{
	struct db_options opt = test_options();
	struct db *db = test_open();

	now = &cases[loop / 2];
	forever = loop % 2;
	test_path("facegate.db", path);
	test_path("first", first);
	test_path("saved", saved);
	test_path("facegate.backup", backup);
	test_path("facegate.key", key);
	test_path("saved.key", saved_key);
	for (int i = 0; i < CROWD; i++)
		enrol(db, i);
	ck_assert_int_eq(db_backup(&opt, first, NULL), ST_OK);
	enrol(db, CROWD);
	copy_database(path, saved);
	db_close(db);
	copy(key, saved_key);
}

static void arm(int n)
{
	fault_disarm();
	fault_plan = (struct fault_plan){ now->kinds, n, forever, now->code };
}

/* Ends it, and says whether anything failed. What came of it must be told in
 * words, and be `other` if it is not what the failure says. */
static bool calm(enum status st, enum status other, const struct errinfo *err)
{
	bool hit = fault_hit;

	fault_disarm();
	ck_assert_msg(st == ST_OK ||
			      (hit && (st == now->status || st == other)),
		      "%s: %s", status_code(st), err->text);
	ck_assert(st == ST_OK || err->text[0]);
	return hit;
}

static bool is_there(const char *file)
{
	return access(file, F_OK) == 0;
}

static void expect_people(size_t count)
{
	struct db *db = test_open();

	ck_assert_uint_eq(test_check_whole(db), count);
	ck_assert_uint_eq(db_corrupt_rows(db), 0);
	db_close(db);
}

/* What a try has left: the last backup or a new one, each whole. */
static bool is_new_backup(void)
{
	if (same(backup, first))
		return false;
	ck_assert_int_eq(test_people_in(backup), CROWD + 1);
	copy(first, backup);
	return true;
}

START_TEST(failing_backup_beside_a_daemon_leaves_a_whole_one)
{
	struct db_options opt = test_options();
	char fresh[600];
	struct db *db;
	int n = 0;
	bool hit;

	begin(_i);
	(void)snprintf(fresh, sizeof fresh, "%s.new", backup);
	db = test_open();
	copy(first, backup);
	do {
		struct errinfo err = { 0 };
		enum status st;

		arm(++n);
		st = db_backup(&opt, backup, &err);
		hit = calm(st, now->status, &err);
		ck_assert(is_new_backup() || st != ST_OK);
		ck_assert(!is_there(fresh) || now->kinds == FAULT_FOLDER);
	} while (hit);
	ck_assert_int_gt(n, 2);
	ck_assert(!is_there(fresh));
	enrol(db, CROWD + 1);
	ck_assert_uint_eq(test_check_whole(db), CROWD + 2);
	db_close(db);
}
END_TEST

static bool keep_up(struct db *db, int64_t now_ms)
{
	struct db_condition how;
	bool more;

	do
		db_upkeep(db, now_ms, &more);
	while (more);
	db_condition(db, &how);
	return how.backup_ms == now_ms;
}

START_TEST(failing_automatic_backup_leaves_a_whole_one_and_is_made_later)
{
	const int64_t hour_ms = 3600000;
	struct db_options opt = test_options();
	int64_t now_ms = 1900000000000;
	struct db *db = NULL;
	int n = 0;
	bool hit;

	begin(_i);
	opt.backup_file = backup;
	opt.backup_minutes = 60;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	(void)keep_up(db, now_ms);
	copy(first, backup);
	do {
		bool made;

		arm(++n);
		made = keep_up(db, now_ms += 2 * hour_ms);
		hit = calm(ST_OK, ST_OK, NULL);
		ck_assert(made || hit);
		ck_assert(is_new_backup() || !made);
		/* Without a change none would be due. */
		if (made)
			ck_assert_int_eq(test_enroll(db, "p0", "p0", true),
					 ST_OK);
	} while (hit);
	ck_assert_int_gt(n, 2);
	ck_assert_uint_eq(test_check_whole(db), CROWD + 1);
	db_close(db);
}
END_TEST

/* The folder as the killed daemon left it. */
static void start_over(void)
{
	DIR *dir = opendir(test_dir);
	const struct dirent *entry;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, "facegate.", 9) == 0)
			ck_assert_int_eq(unlinkat(dirfd(dir), entry->d_name, 0),
					 0);
	closedir(dir);
	copy_database(saved, path);
	copy(saved_key, key);
	ck_assert_int_eq(chmod(key, 0400), 0);
}

START_TEST(failing_restore_changes_nothing)
{
	struct db_options opt = test_options();
	char kept[DB_KEPT_MAX], old[512], wal[600], saved_wal[600];
	int n = 0;
	bool hit;

	begin(_i);
	(void)snprintf(wal, sizeof wal, "%s-wal", path);
	(void)snprintf(saved_wal, sizeof saved_wal, "%s-wal", saved);
	start_over();
	do {
		struct errinfo err = { 0 };
		enum status st;

		arm(++n);
		st = db_restore(&opt, first, kept, &err);
		hit = calm(st, now->status, &err);
		if (st != ST_OK && same(path, saved) && same(wal, saved_wal))
			continue;
		/* Where nothing can be renamed any more, nothing is undone:
		 * then the next restore begins with that. */
		if (st != ST_OK) {
			ck_assert(now->kinds == FAULT_FOLDER && forever);
			ck_assert_int_eq(db_restore(&opt, first, kept, NULL),
					 ST_OK);
		}
		expect_people(CROWD);
		test_path(kept, old);
		ck_assert_int_eq(test_people_in(old), CROWD + 1);
		start_over();
	} while (hit);
	ck_assert_int_gt(n, 2);
}
END_TEST

static void damage(const char *file)
{
	char page[4096];
	int fd = open(file, O_RDWR | O_CLOEXEC);

	memset(page, 0xa5, sizeof page);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, page, sizeof page, sizeof page),
			 sizeof page);
	close(fd);
}

enum found { SOUND, DAMAGED, MISSING };

static void lay_out(enum found found)
{
	char wal[600];

	start_over();
	copy(first, backup);
	if (found == SOUND)
		return;
	(void)snprintf(wal, sizeof wal, "%s-wal", path);
	ck_assert_int_eq(unlink(wal), 0);
	ck_assert_int_eq(unlink(path), 0);
	if (found == DAMAGED) {
		copy(first, path);
		damage(path);
	}
}

static void check_start(enum found found)
{
	struct db_options opt = test_options();
	struct db_condition how = { 0 };
	/* Where nothing can be read any more, a sound one looks like that. */
	enum status other = found == SOUND && !forever ? now->status
						       : ST_BAD_DATABASE;
	struct db *db = NULL;
	int n = 0;
	bool hit;

	opt.backup_file = backup;
	opt.backup_minutes = 60;
	lay_out(found);
	do {
		struct errinfo err = { 0 };
		enum status st;

		arm(++n);
		st = db_open_or_restore(&opt, &db, &err);
		hit = calm(st, other, &err);
		if (st != ST_OK)
			continue;
		db_condition(db, &how);
		ck_assert(hit || !how.verify_only);
		ck_assert(found != SOUND || !how.restored);
		/* On a full disk all of it is read, and nothing written. */
		ck_assert(found != SOUND || !how.verify_only ||
			  now->status == ST_DISK_FULL);
		if (!how.verify_only || found == SOUND)
			ck_assert_uint_eq(test_check_whole(db),
					  found == SOUND ? CROWD + 1 : CROWD);
		db_close(db);
		if (!how.verify_only)
			lay_out(found);
	} while (hit);
	ck_assert_int_gt(n, 2);
}

START_TEST(failing_start_takes_no_sound_database_for_a_damaged_one)
{
	begin(_i);
	check_start(SOUND);
}
END_TEST

START_TEST(failing_start_with_a_damaged_database_restores_it_later)
{
	begin(_i);
	check_start(DAMAGED);
}
END_TEST

START_TEST(failing_start_without_a_database_makes_no_empty_one)
{
	begin(_i);
	check_start(MISSING);
}
END_TEST

static enum status reseal(struct db *db, struct errinfo *err)
{
	enum status st;
	bool more;

	do
		st = db_reseal(db, &more, err);
	while (st == ST_OK && more);
	return st;
}

static enum status change_keys(struct db *db, int step, struct errinfo *err)
{
	struct db_options opt = test_options();
	int64_t newest;

	switch (step) {
	case 0:
		return db_key_add(&opt, &newest, err);
	case 2:
		return db_keys_drop(&opt, err);
	default:
		return reseal(db, err);
	}
}

enum { KEY_STEPS = 4 };

static struct db *open_before(int step)
{
	struct db *db;

	start_over();
	db = test_open();
	for (int i = 0; i < step; i++)
		ck_assert_int_eq(change_keys(db, i, NULL), ST_OK);
	return db;
}

/* Each step is tried again where it failed, sometimes after a restart. */
START_TEST(failing_change_of_keys_loses_no_row_and_goes_on)
{
	int64_t oldest, newest;
	struct db *db;
	int n = 0;

	begin(_i);
	db = open_before(0);
	for (int step = 0; step < KEY_STEPS; step++) {
		bool hit = true;

		for (n = 1; hit; n++) {
			struct errinfo err = { 0 };
			enum status st;

			arm(n);
			st = change_keys(db, step, &err);
			hit = calm(st, now->status, &err);
			ck_assert_uint_eq(test_check_whole(db), CROWD + 1);
			if ((st == ST_OK && hit) || n % 8 == 0)
				db_close(db);
			if (st == ST_OK && hit)
				db = open_before(step);
			else if (n % 8 == 0)
				db = test_open();
		}
	}
	ck_assert_int_eq(db_key_versions(db, &oldest, &newest, NULL), ST_OK);
	ck_assert(oldest == 2 && newest == 2);
	db_close(db);
	expect_people(CROWD + 1);
}
END_TEST

static void quiet(void)
{
	log_set_level(LOG_ERROR);
}

static void loud(void)
{
	log_set_level(LOG_INFO);
}

static void add_case(Suite *s, const char *name, const TTest *test, int loops)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, quiet, loud);
	tcase_add_checked_fixture(tc, test_dir_make, test_dir_remove);
	tcase_add_checked_fixture(tc, fault_memory_install,
				  fault_memory_remove);
	tcase_add_checked_fixture(tc, fault_install, fault_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test, 0, loops);
	suite_add_tcase(s, tc);
}

Suite *suite_db_restore_faults(void)
{
	Suite *s = suite_create("db_restore_faults");

	add_case(s, "backup", failing_backup_beside_a_daemon_leaves_a_whole_one,
		 LOOPS);
	add_case(s, "automatic",
		 failing_automatic_backup_leaves_a_whole_one_and_is_made_later,
		 LOOPS);
	add_case(s, "restore", failing_restore_changes_nothing, LOOPS);
	add_case(s, "sound",
		 failing_start_takes_no_sound_database_for_a_damaged_one,
		 FILE_LOOPS);
	add_case(s, "damaged",
		 failing_start_with_a_damaged_database_restores_it_later,
		 FILE_LOOPS);
	add_case(s, "missing",
		 failing_start_without_a_database_makes_no_empty_one,
		 FILE_LOOPS);
	add_case(s, "keys", failing_change_of_keys_loses_no_row_and_goes_on,
		 LOOPS);
	return s;
}
