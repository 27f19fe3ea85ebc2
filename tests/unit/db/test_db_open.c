/* Opening: what is refused, with which status, and what a fresh file gets. */
#include <check.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dbtest.h"

Suite *suite_db_open(void);

static int64_t pragma(const char *name)
{
	char path[512], sql[64];
	sqlite3_stmt *s = NULL;
	sqlite3 *conn = NULL;
	int64_t value;

	test_path("facegate.db", path);
	(void)snprintf(sql, sizeof sql, "PRAGMA %s", name);
	ck_assert_int_eq(sqlite3_open(path, &conn), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(conn, sql, -1, &s, NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
	value = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(conn);
	return value;
}

static mode_t mode_of(const char *file)
{
	struct stat info;
	char path[512];

	test_path(file, path);
	ck_assert_int_eq(stat(path, &info), 0);
	return info.st_mode & 07777;
}

START_TEST(fresh_file_is_marked_versioned_and_private)
{
	mode_t before = umask(0);
	struct db *db = test_open();

	ck_assert_int_eq(test_enroll(db, "a", NULL, false), ST_OK);
	ck_assert_int_eq(mode_of("facegate.db"), 0600);
	ck_assert_int_eq(mode_of("facegate.db-wal"), 0600);
	ck_assert_int_eq(mode_of("facegate.db-shm"), 0600);
	ck_assert_int_eq(mode_of("facegate.lock"), 0600);
	ck_assert_int_eq(mode_of("facegate.key"), 0400);
	db_close(db);
	umask(before);
	ck_assert_int_eq(pragma("application_id"), 0x46674442);
	ck_assert_int_eq(pragma("user_version"), 6);
}
END_TEST

START_TEST(file_open_to_others_is_made_private)
{
	char path[512];

	db_close(test_open());
	test_path("facegate.db", path);
	ck_assert_int_eq(chmod(path, 0664), 0);
	db_close(test_open());
	ck_assert_int_eq(mode_of("facegate.db"), 0600);
}
END_TEST

START_TEST(missing_folder_is_an_io_error)
{
	struct errinfo err;

	(void)snprintf(test_dir + strlen(test_dir), 16, "/missing");
	ck_assert_int_eq(test_try_open(&err), ST_IO_ERROR);
	ck_assert_ptr_null(strstr(err.text, "missing"));
	ck_assert_uint_gt(strlen(err.text), 10);
	*strrchr(test_dir, '/') = 0;
}
END_TEST

/* Nobody can make files in /proc, root neither. */
START_TEST(folder_that_takes_no_files_is_an_io_error)
{
	struct db_options opt = test_options();
	struct errinfo err = { 0 };
	struct db *db;

	opt.dir = "/proc/self";
	ck_assert_int_eq(db_open(&opt, &db, &err), ST_IO_ERROR);
	ck_assert_ptr_null(db);
	ck_assert_ptr_null(strstr(err.text, "/proc"));
}
END_TEST

START_TEST(second_opener_is_refused_until_the_first_closes)
{
	/* Static, so that the forked child has not lost it. */
	static struct db *db;
	struct errinfo err;
	int exit_status;
	pid_t child;

	db = test_open();
	ck_assert_int_eq(test_try_open(&err), ST_DATABASE_BUSY);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(test_try_open(&err) == ST_DATABASE_BUSY ? 0 : 1);
	ck_assert_int_eq(waitpid(child, &exit_status, 0), child);
	ck_assert_int_eq(exit_status, 0);
	ck_assert_int_eq(test_enroll(db, "a", NULL, false), ST_OK);
	db_close(db);
	ck_assert_int_eq(test_try_open(&err), ST_OK);
}
END_TEST

START_TEST(two_folders_open_in_one_process)
{
	struct db *first = test_open(), *second = NULL;
	struct db_options opt = test_options();
	char kept[256], sub[300];

	(void)snprintf(sub, sizeof sub, "%s/sub", test_dir);
	ck_assert_int_eq(mkdir(sub, 0700), 0);
	opt.dir = sub;
	opt.cache_bytes *= 2;
	ck_assert_int_eq(db_open(&opt, &second, NULL), ST_OK);
	ck_assert_int_eq(test_enroll(first, "a", NULL, false), ST_OK);
	ck_assert_int_eq(test_enroll(second, "b", NULL, false), ST_OK);
	ck_assert_uint_eq(test_check_whole(first), 1);
	ck_assert_uint_eq(test_check_whole(second), 1);
	db_close(first);
	ck_assert_int_eq(test_enroll(second, "c", NULL, false), ST_OK);
	db_close(second);
	/* Now with the new cache size. */
	opt.cache_bytes *= 2;
	ck_assert_int_eq(db_open(&opt, &second, NULL), ST_OK);
	ck_assert_uint_eq(test_check_whole(second), 2);
	db_close(second);
	memcpy(kept, test_dir, sizeof kept);
	memcpy(test_dir, sub, strlen(sub) + 1);
	test_dir_remove();
	memcpy(test_dir, kept, sizeof kept);
}
END_TEST

START_TEST(options_out_of_range_are_refused)
{
	struct db_options opt = test_options();
	struct errinfo err = { 0 };
	struct db *db;

	opt.heap_bytes = DB_HEAP_MIN_BYTES - 1;
	ck_assert_int_eq(db_open(&opt, &db, &err), ST_BAD_CONFIG);
	ck_assert_int_eq(err.limit, (int64_t)DB_HEAP_MIN_BYTES);
	opt = test_options();
	opt.cache_bytes = DB_CACHE_MIN_BYTES - 1;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_BAD_CONFIG);
	opt = test_options();
	opt.log_max_rows = 0;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_BAD_CONFIG);
	opt = test_options();
	opt.cache_bytes = DB_CACHE_MIN_BYTES;
	opt.heap_bytes = DB_HEAP_MIN_BYTES;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	ck_assert_int_eq(test_enroll(db, "a", NULL, true), ST_OK);
	db_close(db);
}
END_TEST

static void write_file(const char *file, const void *bytes, size_t n)
{
	char path[512];
	FILE *f;

	test_path(file, path);
	f = fopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(file_that_is_no_database_is_refused_and_kept)
{
	static const char text[] = "This is a text and no database at all, but "
				   "long enough to hold a header of a hundred "
				   "bytes, and then some more of them.";
	struct errinfo err;

	write_file("facegate.db", text, sizeof text);
	ck_assert_int_eq(test_try_open(&err), ST_BAD_DATABASE);
	ck_assert(test_folder_holds(text, sizeof text));
}
END_TEST

/* Each makes a database that is not ours, or ours no more. */
static const char *const foreign[] = {
	"CREATE TABLE other(x); INSERT INTO other VALUES(1)",
	"PRAGMA application_id = 1; CREATE TABLE other(x)",
	"PRAGMA user_version = 1",
	"PRAGMA application_id = 0x46674442; CREATE TABLE people(x)",
	"PRAGMA application_id = 0x46674442; PRAGMA user_version = 1;"
	"CREATE TABLE people(x)",
	"PRAGMA application_id = 0x46674442; PRAGMA user_version = 99",
	"PRAGMA page_size = 8192; CREATE TABLE x(y); DROP TABLE x;"
	"PRAGMA application_id = 0x46674442; PRAGMA user_version = 1",
	"PRAGMA auto_vacuum = FULL; CREATE TABLE x(y); DROP TABLE x;"
	"PRAGMA application_id = 0x46674442; PRAGMA user_version = 1",
};

START_TEST(foreign_database_is_refused)
{
	struct errinfo err;

	test_sql(foreign[_i]);
	ck_assert_int_eq(test_try_open(&err), ST_BAD_DATABASE);
	ck_assert_int_eq(test_try_open(&err), ST_BAD_DATABASE);
}
END_TEST

START_TEST(newer_schema_is_refused_with_both_versions)
{
	struct errinfo err;

	db_close(test_open());
	test_sql("PRAGMA user_version = 7");
	ck_assert_int_eq(test_try_open(&err), ST_BAD_DATABASE);
	ck_assert_int_eq(err.limit, 6);
	ck_assert_int_eq(err.found, 7);
	ck_assert_ptr_nonnull(strstr(err.text, "newer"));
	ck_assert_int_eq(pragma("user_version"), 7);
}
END_TEST

START_TEST(empty_file_is_a_new_database)
{
	struct errinfo err;

	write_file("facegate.db", "", 0);
	ck_assert_int_eq(test_try_open(&err), ST_OK);
}
END_TEST

static void fill(int people)
{
	struct db *db = test_open();
	char id[16];

	for (int i = 0; i < people; i++) {
		(void)snprintf(id, sizeof id, "p-%d", i);
		ck_assert_int_eq(test_enroll(db, id, "Somebody", false), ST_OK);
	}
	db_close(db);
}

START_TEST(truncated_file_is_refused)
{
	struct errinfo err;
	struct stat info;
	char path[512];

	fill(100);
	test_path("facegate.db", path);
	ck_assert_int_eq(stat(path, &info), 0);
	ck_assert_int_gt(info.st_size, 10 * 4096);
	ck_assert_int_eq(truncate(path, info.st_size / 8192 * 4096), 0);
	ck_assert_int_eq(test_try_open(&err), ST_BAD_DATABASE);
	ck_assert_int_eq(truncate(path, 70), 0);
	ck_assert_int_eq(test_try_open(&err), ST_BAD_DATABASE);
}
END_TEST

/* Loop: the page whose middle is overwritten. Whatever quick_check cannot see
 * must be caught by the reader or be a change of data alone; nothing crashes.
 */
START_TEST(page_full_of_noise_is_refused)
{
	unsigned char noise[4096];
	struct errinfo err;
	char path[512];
	unsigned x = 7U + (unsigned)_i;
	int fd;

	fill(40);
	for (size_t i = 0; i < sizeof noise; i++) {
		x = x * 1664525U + 1013904223U;
		noise[i] = (unsigned char)(x >> 24);
	}
	test_path("facegate.db", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, noise, sizeof noise, _i * 4096),
			 sizeof noise);
	close(fd);
	ck_assert_int_eq(test_try_open(&err), ST_BAD_DATABASE);
	ck_assert_uint_gt(strlen(err.text), 10);
}
END_TEST

START_TEST(flipped_bytes_never_crash)
{
	struct errinfo err;
	struct stat info;
	char path[512], saved[512];
	unsigned char *all;
	unsigned x = 3;
	int fd, refused = 0;

	fill(60);
	test_path("facegate.db", path);
	test_path("saved", saved);
	ck_assert_int_eq(stat(path, &info), 0);
	all = malloc((size_t)info.st_size);
	ck_assert_ptr_nonnull(all);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(read(fd, all, (size_t)info.st_size), info.st_size);
	close(fd);
	for (int round = 0; round < 200; round++) {
		size_t at[4];
		enum status st;

		for (size_t k = 0; k < 4; k++) {
			x = x * 1664525U + 1013904223U;
			at[k] = (x >> 4) % (size_t)info.st_size;
			all[at[k]] ^= 0x5a;
		}
		write_file("facegate.db", all, (size_t)info.st_size);
		st = test_try_open(&err);
		/* The proof of the key may be among what is flipped. */
		ck_assert_msg(st == ST_OK || st == ST_BAD_DATABASE ||
				      st == ST_BAD_KEY_FILE,
			      "%s: %s", status_code(st), err.text);
		refused += st != ST_OK;
		for (size_t k = 0; k < 4; k++)
			all[at[k]] ^= 0x5a;
	}
	ck_assert_int_gt(refused, 20);
	free(all);
}
END_TEST

START_TEST(stranger_that_holds_the_file_makes_it_busy)
{
	struct db *db = test_open();
	struct errinfo err = { 0 };
	sqlite3 *other = NULL;
	char path[512];

	test_path("facegate.db", path);
	ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
	ck_assert_int_eq(
		sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
		SQLITE_OK);
	ck_assert_int_eq(test_enroll(db, "a", NULL, false), ST_DATABASE_BUSY);
	ck_assert_int_eq(db_writable(db, &err), ST_DATABASE_BUSY);
	ck_assert_int_eq(err.status, ST_DATABASE_BUSY);
	ck_assert_uint_eq(test_check_whole(db), 0);
	ck_assert_int_eq(sqlite3_close(other), SQLITE_OK);
	ck_assert_int_eq(test_enroll(db, "a", NULL, false), ST_OK);
	db_close(db);
}
END_TEST

START_TEST(closing_nothing_is_fine)
{
	db_close(NULL);
}
END_TEST

Suite *suite_db_open(void)
{
	Suite *s = suite_create("db_open");
	TCase *tc = tcase_create("open");

	tcase_add_checked_fixture(tc, test_dir_make, test_dir_remove);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, fresh_file_is_marked_versioned_and_private);
	tcase_add_test(tc, file_open_to_others_is_made_private);
	tcase_add_test(tc, missing_folder_is_an_io_error);
	tcase_add_test(tc, folder_that_takes_no_files_is_an_io_error);
	tcase_add_test(tc, second_opener_is_refused_until_the_first_closes);
	tcase_add_test(tc, two_folders_open_in_one_process);
	tcase_add_test(tc, options_out_of_range_are_refused);
	tcase_add_test(tc, file_that_is_no_database_is_refused_and_kept);
	tcase_add_loop_test(tc, foreign_database_is_refused, 0,
			    (int)(sizeof foreign / sizeof *foreign));
	tcase_add_test(tc, newer_schema_is_refused_with_both_versions);
	tcase_add_test(tc, empty_file_is_a_new_database);
	tcase_add_test(tc, truncated_file_is_refused);
	tcase_add_loop_test(tc, page_full_of_noise_is_refused, 0, 11);
	tcase_add_test(tc, flipped_bytes_never_crash);
	tcase_add_test(tc, stranger_that_holds_the_file_makes_it_busy);
	tcase_add_test(tc, closing_nothing_is_fine);
	suite_add_tcase(s, tc);
	return s;
}
