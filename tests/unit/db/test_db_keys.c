/* The key file: what is refused, and how its key is changed while the store is
 * in use.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dbtest.h"
#include "internal.h"

Suite *suite_db_keys(void);

static void key_path(char out[512])
{
	test_path("facegate.key", out);
}

static void write_key_file(const char *text, mode_t mode)
{
	char path[512];
	FILE *f;

	key_path(path);
	(void)unlink(path);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

enum { MANY = 100 };

static void fill(struct db *db)
{
	char id[16];

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(id, sizeof id, "p-%d", i);
		ck_assert_int_eq(test_enroll(db, id, id, false), ST_OK);
	}
}

static void check_filled(struct db *db)
{
	struct db_person p;
	char id[16];

	ck_assert_uint_eq(test_check_whole(db), MANY);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(id, sizeof id, "p-%d", i);
		ck_assert_int_eq(db_person_get(db, id, &p, NULL), ST_OK);
		ck_assert_str_eq(p.name, id);
	}
	ck_assert_uint_eq(db_corrupt_rows(db), 0);
}

#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

START_TEST(another_key_is_refused_and_changes_nothing)
{
	char path[512], saved[512];
	struct errinfo err;
	struct db *db;

	db = test_open();
	fill(db);
	db_close(db);
	key_path(path);
	test_path("saved", saved);
	ck_assert_int_eq(rename(path, saved), 0);
	ck_assert_int_eq(test_try_open(&err), ST_BAD_KEY_FILE);
	ck_assert_int_ne(access(path, F_OK), 0); /* none is made */
	write_key_file("facegate key 1\n1 " HEX64 "\n", 0400);
	ck_assert_int_eq(test_try_open(&err), ST_BAD_KEY_FILE);
	ck_assert_ptr_nonnull(strstr(err.text, "not the one"));
	ck_assert_ptr_null(strstr(err.text, "0011"));
	write_key_file("facegate key 1\n2 " HEX64 "\n", 0400);
	ck_assert_int_eq(test_try_open(&err), ST_BAD_KEY_FILE);
	ck_assert_ptr_nonnull(strstr(err.text, "lacks key 1"));
	ck_assert_int_eq(rename(saved, path), 0);
	db = test_open();
	check_filled(db);
	db_close(db);
}
END_TEST

static const char *const no_key_files[] = {
	"",
	"facegate key 1\n",
	"facegate key 1",
	"facegate key 2\n1 " HEX64 "\n",
	"1 " HEX64 "\n",
	"facegate key 1\n1 " HEX64,
	"facegate key 1\n1 " HEX64 "0\n",
	"facegate key 1\n1  " HEX64 "\n",
	"facegate key 1\n0 " HEX64 "\n",
	"facegate key 1\n-1 " HEX64 "\n",
	"facegate key 1\n99999999999999999999 " HEX64 "\n",
	"facegate key 1\n1 " HEX64 "\n1 " HEX64 "\n",
	"facegate key 1\n2 " HEX64 "\n1 " HEX64 "\n",
	"facegate key 1\n1 0g112233445566778899aabbccddeeff"
	"00112233445566778899aabbccddeeff\n",
	"facegate key 1\n1 " HEX64 "\n2 " HEX64 "\n3 " HEX64 "\n4 " HEX64
	"\n5 " HEX64 "\n",
	"facegate key 1\n1 " HEX64 "\nmore\n",
};

START_TEST(file_that_is_no_key_file_is_refused)
{
	struct errinfo err;

	write_key_file(no_key_files[_i], 0400);
	ck_assert_int_eq(test_try_open(&err), ST_BAD_KEY_FILE);
	write_key_file("facegate key 1\n1 " HEX64 "\n9 " HEX64 "\n", 0440);
	ck_assert_int_eq(test_try_open(&err), ST_OK);
}
END_TEST

START_TEST(key_file_open_to_others_is_refused)
{
	struct errinfo err;

	for (mode_t mode = 0401; mode <= 0404; mode++) {
		write_key_file("facegate key 1\n1 " HEX64 "\n", mode);
		ck_assert_int_eq(test_try_open(&err), ST_BAD_KEY_FILE);
	}
	write_key_file("facegate key 1\n1 " HEX64 "\n", 0420);
	ck_assert_int_eq(test_try_open(&err), ST_BAD_KEY_FILE);
	ck_assert_ptr_nonnull(strstr(err.text, "0400"));
}
END_TEST

static void add_key(int64_t expected)
{
	char path[512];
	int64_t version;

	key_path(path);
	ck_assert_int_eq(seal_add_key(path, &version, NULL), ST_OK);
	ck_assert_int_eq(version, expected);
}

static void reseal_all(struct db *db)
{
	bool more;

	do
		ck_assert_int_eq(db_reseal(db, &more, NULL), ST_OK);
	while (more);
}

static void expect_versions(struct db *db, int64_t oldest, int64_t newest)
{
	int64_t a, b;

	ck_assert_int_eq(db_key_versions(db, &a, &b, NULL), ST_OK);
	ck_assert_int_eq(a, oldest);
	ck_assert_int_eq(b, newest);
}

START_TEST(keys_change_while_the_store_is_in_use)
{
	static const char find[] =
		"SELECT sealed FROM templates WHERE id = 1 AND ?1 <> ''";
	char path[512], old_file[512], row[64];
	struct errinfo err;
	int64_t key;
	struct db *db = test_open();
	bool more;

	fill(db);
	expect_versions(db, 1, 1);
	ck_assert_uint_eq(test_blob(db, find, "x", row, 64), 64);
	key_path(path);
	test_path("old", old_file);
	ck_assert_int_eq(link(path, old_file), 0);
	add_key(2);
	add_key(2); /* not a third while there are two */
	ck_assert_int_eq(db_reseal(db, &more, NULL), ST_OK);
	ck_assert(more); /* rows of both keys now */
	expect_versions(db, 1, 2);
	check_filled(db);
	ck_assert_int_eq(test_enroll(db, "new", "New", false), ST_OK);
	reseal_all(db);
	expect_versions(db, 2, 2);
	ck_assert_int_eq(seal_keep_newest(path, NULL), ST_OK);
	ck_assert_int_eq(db_reseal(db, &more, NULL), ST_OK);
	ck_assert(!more);
	ck_assert_int_eq(db_person_delete(db, "new", &test_by, &key, NULL),
			 ST_OK);
	check_filled(db);
	/* Not even encrypted with the old key is anything left. */
	ck_assert(!test_folder_holds(row, 64));
	db_close(db);
	db = test_open();
	check_filled(db);
	db_close(db);
	ck_assert_int_eq(rename(old_file, path), 0);
	ck_assert_int_eq(test_try_open(&err), ST_BAD_KEY_FILE);
}
END_TEST

START_TEST(key_file_that_spoils_is_told_and_the_keys_in_use_stay)
{
	struct db *db = test_open();
	struct errinfo err = { 0 };
	bool more;

	fill(db);
	write_key_file("facegate key 1\n2 " HEX64 "\n", 0400);
	ck_assert_int_eq(db_reseal(db, &more, &err), ST_BAD_KEY_FILE);
	write_key_file("nonsense", 0400);
	ck_assert_int_eq(db_reseal(db, &more, NULL), ST_BAD_KEY_FILE);
	check_filled(db);
	expect_versions(db, 1, 1);
	db_close(db);
}
END_TEST

/* Changes keys until it is killed; says after each short transaction so. */
static void reseal_until_killed(int out)
{
	struct db_options opt = test_options();
	struct db *db;
	bool more;

	if (db_open(&opt, &db, NULL) != ST_OK)
		_exit(1);
	do
		if (db_reseal(db, &more, NULL) != ST_OK ||
		    write(out, &more, sizeof more) != sizeof more)
			_exit(2);
	while (more);
	for (;;)
		pause();
}

START_TEST(killed_change_of_keys_goes_on_at_the_next_start)
{
	enum { KILLS = 12 };
	struct db *db = test_open();
	int64_t oldest, newest, version = 1;
	unsigned halves = 0;
	char path[512];

	fill(db);
	db_close(db);
	for (int round = 0; round < KILLS; round++) {
		int ends[2], status;
		bool more = true;
		pid_t child;

		ck_assert_int_eq(pipe(ends), 0);
		db = test_open();
		check_filled(db);
		ck_assert_int_eq(db_key_versions(db, &oldest, &newest, NULL),
				 ST_OK);
		halves += oldest != newest;
		if (oldest == newest) {
			key_path(path);
			ck_assert_int_eq(seal_keep_newest(path, NULL), ST_OK);
			add_key(++version);
		}
		db_close(db);
		child = fork();
		ck_assert_int_ge(child, 0);
		if (child == 0)
			reseal_until_killed(ends[1]);
		close(ends[1]);
		for (int i = 0; i <= round % 3 && more; i++)
			ck_assert_int_eq(read(ends[0], &more, sizeof more),
					 sizeof more);
		ck_assert_int_eq(kill(child, SIGKILL), 0);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFSIGNALED(status));
		close(ends[0]);
	}
	ck_assert_uint_gt(halves, 0);
	db = test_open();
	reseal_all(db);
	expect_versions(db, version, version);
	check_filled(db);
	db_close(db);
}
END_TEST

Suite *suite_db_keys(void)
{
	Suite *s = suite_create("db_keys");
	TCase *tc = tcase_create("keys");

	tcase_add_checked_fixture(tc, test_dir_make, test_dir_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, another_key_is_refused_and_changes_nothing);
	tcase_add_loop_test(tc, file_that_is_no_key_file_is_refused, 0,
			    (int)(sizeof no_key_files / sizeof *no_key_files));
	tcase_add_test(tc, key_file_open_to_others_is_refused);
	tcase_add_test(tc, keys_change_while_the_store_is_in_use);
	tcase_add_test(tc,
		       key_file_that_spoils_is_told_and_the_keys_in_use_stay);
	tcase_add_test(tc, killed_change_of_keys_goes_on_at_the_next_start);
	suite_add_tcase(s, tc);
	return s;
}
