/* Reading a store that another process has, had, or never had. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dbtest.h"
#include "internal.h"

Suite *suite_db_readonly(void);

static struct db *open_readonly(void)
{
	struct db_options opt = test_options();
	struct errinfo err = { 0 };
	struct db *db = NULL;
	enum status st = db_open_readonly(&opt, &db, &err);

	ck_assert_msg(st == ST_OK, "%s: %s", status_code(st), err.text);
	return db;
}

static enum status try_readonly(struct errinfo *err)
{
	struct db_options opt = test_options();
	struct db *db = NULL;
	enum status st;

	err_clear(err);
	st = db_open_readonly(&opt, &db, err);
	ck_assert_int_eq(st == ST_OK, db != NULL);
	db_close(db);
	return st;
}

/* Another process that has the store: each byte it gets is one more step of
 * its own, each answered by a byte. */
struct other {
	pid_t pid;
	int in, out;
};

typedef bool step_fn(struct db *db, char step);

static void other_start(struct other *o, step_fn *fn, bool close_at_end)
{
	int to[2], from[2];

	ck_assert_int_eq(pipe(to), 0);
	ck_assert_int_eq(pipe(from), 0);
	o->pid = fork();
	ck_assert_int_ge(o->pid, 0);
	if (o->pid == 0) {
		struct db_options opt = test_options();
		struct db *db;
		char step;

		close(to[1]);
		close(from[0]);
		if (db_open(&opt, &db, NULL) != ST_OK)
			_exit(1);
		while (read(to[0], &step, 1) == 1)
			if (!fn(db, step) || write(from[1], &step, 1) != 1)
				_exit(2);
		if (close_at_end)
			db_close(db);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	o->in = to[1];
	o->out = from[0];
}

static void other_step(struct other *o, char step)
{
	char done = 0;

	ck_assert_int_eq(write(o->in, &step, 1), 1);
	ck_assert_msg(read(o->out, &done, 1) == 1 && done == step,
		      "step %c of the other process failed", step);
}

static void other_end(struct other *o)
{
	int status;

	close(o->in);
	ck_assert_int_eq(waitpid(o->pid, &status, 0), o->pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	close(o->out);
}

static bool change(struct db *db, char step)
{
	int64_t key;

	switch (step) {
	case 'a':
		return test_enroll(db, "anna", "Anna", false) == ST_OK;
	case 'b':
		return test_enroll(db, "bert", "Bert", false) == ST_OK;
	default:
		return db_person_delete(db, "anna", &test_by, &key, NULL) ==
		       ST_OK;
	}
}

START_TEST(reads_beside_a_process_that_goes_on_writing)
{
	char anna[48];
	struct other o;
	struct db *db;

	other_start(&o, change, true);
	other_step(&o, 'a');
	db = open_readonly();
	ck_assert_uint_eq(test_check_whole(db), 1);
	ck_assert_uint_eq(test_blob(db,
				    "SELECT sealed FROM people WHERE id = ?1",
				    "anna", anna, sizeof anna),
			  sizeof anna);
	other_step(&o, 'b');
	ck_assert_uint_eq(test_check_whole(db), 2);
	/* The open reader does not keep a deleted person's bytes alive. */
	other_step(&o, 'd');
	ck_assert_uint_eq(test_check_whole(db), 1);
	db_close(db);
	ck_assert(!test_folder_holds(anna, sizeof anna));
	other_end(&o);
	db = test_open();
	ck_assert_uint_eq(test_check_whole(db), 1);
	db_close(db);
}
END_TEST

START_TEST(reads_what_a_dead_process_left_in_the_wal)
{
	struct other o;
	struct db *db;

	other_start(&o, change, false);
	other_step(&o, 'a');
	other_step(&o, 'b');
	other_end(&o);
	db = open_readonly();
	ck_assert_uint_eq(test_check_whole(db), 2);
	db_close(db);
	db = test_open();
	ck_assert_uint_eq(test_check_whole(db), 2);
	db_close(db);
}
END_TEST

static size_t files(void)
{
	DIR *dir = opendir(test_dir);
	size_t n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

START_TEST(store_that_nobody_has_is_read_and_can_be_opened_after)
{
	struct db *db = test_open();
	size_t before;

	ck_assert_int_eq(test_enroll(db, "anna", "Anna", false), ST_OK);
	db_close(db);
	before = files();
	db = open_readonly();
	ck_assert_uint_eq(test_check_whole(db), 1);
	/* Nor can it be changed through this handle. */
	ck_assert_int_eq(sqlite3_db_readonly(db->reader, "main"), 1);
	db_close(db);
	/* The reader leaves an empty WAL, which the next start clears up. */
	db = test_open();
	ck_assert_uint_eq(test_check_whole(db), 1);
	db_close(db);
	ck_assert_uint_eq(files(), before);
}
END_TEST

START_TEST(missing_store_is_an_error_and_is_not_made)
{
	struct errinfo err;

	ck_assert_int_eq(try_readonly(&err), ST_IO_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, "No such file"));
	ck_assert_uint_eq(files(), 2); /* . and .. */
}
END_TEST

START_TEST(foreign_file_is_refused)
{
	struct errinfo err;
	char path[512];
	FILE *f;

	test_sql("CREATE TABLE t(x); PRAGMA application_id = 7;");
	ck_assert_int_eq(try_readonly(&err), ST_BAD_DATABASE);
	test_path("facegate.db", path);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs("this is no database, and long enough to have a header to read "
	      "that says so to whoever looks at it with care and patience.",
	      f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(try_readonly(&err), ST_BAD_DATABASE);
}
END_TEST

Suite *suite_db_readonly(void)
{
	Suite *s = suite_create("db_readonly");
	TCase *tc = tcase_create("readonly");

	tcase_add_checked_fixture(tc, test_dir_make, test_dir_remove);
	tcase_add_test(tc, reads_beside_a_process_that_goes_on_writing);
	tcase_add_test(tc, reads_what_a_dead_process_left_in_the_wal);
	tcase_add_test(tc,
		       store_that_nobody_has_is_read_and_can_be_opened_after);
	tcase_add_test(tc, missing_store_is_an_error_and_is_not_made);
	tcase_add_test(tc, foreign_file_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
