/* The sealed file of an export: what was put in comes out, and only whole. */
#include "exportfile.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dbtest.h"

Suite *suite_exportfile(void);

#define SECRET "correct horse battery"
#define CHUNK  16384
#define HEAD   (18 + 16 + 24)

static struct errinfo err;
static char path[512];

static void setup(void)
{
	err_clear(&err);
	test_dir_make();
	test_path("people", path);
}

static void make(const char *secret, const size_t *lengths, size_t count)
{
	static char line[EXPORTFILE_LINE_MAX];
	struct exportfile *f = NULL;

	(void)unlink(path);
	ck_assert_int_eq(exportfile_make(path, secret, &f, &err), ST_OK);
	for (size_t i = 0; i < count; i++) {
		memset(line, 'a' + (int)i, lengths[i]);
		ck_assert_int_eq(exportfile_put(f, line, lengths[i], &err),
				 ST_OK);
	}
	ck_assert_int_eq(exportfile_finish(f, &err), ST_OK);
	exportfile_close(f);
}

/* Reads to the end; how many lines came before it. */
static enum status read_all(const char *secret, size_t *count)
{
	struct exportfile *f = NULL;
	const char *line;
	enum status st;
	size_t n;

	*count = 0;
	err_clear(&err);
	st = exportfile_open(path, secret, &f, &err);
	while (st == ST_OK &&
	       (st = exportfile_get(f, &line, &n, &err)) == ST_OK)
		++*count;
	exportfile_close(f);
	return st;
}

static off_t size(void)
{
	struct stat info;

	ck_assert_int_eq(stat(path, &info), 0);
	return info.st_size;
}

START_TEST(lines_come_back_wherever_the_chunks_end)
{
	static const size_t first[] = { 0,	   1,	      CHUNK - 2,
					CHUNK - 1, CHUNK - 3, 5000 };

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		size_t lengths[] = { first[i], EXPORTFILE_LINE_MAX, 0,
				     7,	       EXPORTFILE_LINE_MAX, 3 };
		struct exportfile *f = NULL;
		size_t text = 0, n = 0;
		const char *line;

		make(SECRET, lengths, 6);
		for (int k = 0; k < 6; k++)
			text += lengths[k] + 1;
		ck_assert_int_eq(
			size(), (off_t)(HEAD + text + (text / CHUNK + 1) * 17));
		ck_assert_int_eq(exportfile_open(path, SECRET, &f, &err),
				 ST_OK);
		for (int k = 0; k < 6; k++) {
			ck_assert_int_eq(exportfile_get(f, &line, &n, &err),
					 ST_OK);
			ck_assert_uint_eq(n, lengths[k]);
			ck_assert_uint_eq(strlen(line), n);
			ck_assert_uint_eq(
				strspn(line, (char[]){ (char)('a' + k), 0 }),
				n);
		}
		ck_assert_int_eq(exportfile_get(f, &line, &n, &err), ST_END);
		exportfile_close(f);
	}
}
END_TEST

START_TEST(an_export_of_nobody_is_one)
{
	size_t count;

	make(SECRET, NULL, 0);
	ck_assert_int_eq(size(), HEAD + 17);
	ck_assert_int_eq(read_all(SECRET, &count), ST_END);
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(what_is_cut_or_changed_never_ends_well)
{
	static const size_t lengths[] = { 16000, 16000, 2000 };
	size_t count;
	off_t whole;

	make(SECRET, lengths, 3);
	whole = size();
	/* A cut at the end of a chunk leaves whole lines, and no end. */
	for (off_t n = whole - 1; n >= 0; n -= n > HEAD + 40 ? 1987 : 13) {
		ck_assert_int_eq(truncate(path, n), 0);
		ck_assert_int_eq(read_all(SECRET, &count), ST_BAD_EXPORT);
	}
	make(SECRET, lengths, 3);
	ck_assert_int_eq(truncate(path, HEAD + CHUNK + 17), 0);
	ck_assert_int_eq(read_all(SECRET, &count), ST_BAD_EXPORT);
	ck_assert_uint_eq(count, 1);
	make(SECRET, lengths, 3);
	ck_assert_int_eq(read_all("correct horse", &count), ST_BAD_EXPORT);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(truncate(path, whole + 1), 0);
	ck_assert_int_eq(read_all(SECRET, &count), ST_BAD_EXPORT);
	ck_assert_int_eq(truncate(path, whole), 0);
	ck_assert_int_eq(read_all(SECRET, &count), ST_END);
	ck_assert_uint_eq(count, 3);
}
END_TEST

START_TEST(another_file_is_not_replaced_and_half_of_one_is_removed)
{
	struct exportfile *f = NULL;
	FILE *key = fopen(path, "w");

	ck_assert_ptr_nonnull(key);
	ck_assert_int_ge(fputs("a key", key), 0);
	ck_assert_int_eq(fclose(key), 0);
	ck_assert_int_eq(exportfile_make(path, SECRET, &f, &err),
			 ST_BAD_CONFIG);
	ck_assert_ptr_null(f);
	ck_assert_int_eq(size(), 5);
	unlink(path);
	err_clear(&err);
	ck_assert_int_eq(exportfile_make(path, NULL, &f, &err), ST_OK);
	ck_assert_int_eq(exportfile_put(f, "{}", 2, &err), ST_OK);
	ck_assert_int_eq(exportfile_put(f, "a\nb", 3, &err), ST_INTERNAL);
	exportfile_close(f);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

Suite *suite_exportfile(void)
{
	Suite *s = suite_create("exportfile");
	TCase *tc = tcase_create("exportfile");

	tcase_add_checked_fixture(tc, setup, test_dir_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, lines_come_back_wherever_the_chunks_end);
	tcase_add_test(tc, an_export_of_nobody_is_one);
	tcase_add_test(tc, what_is_cut_or_changed_never_ends_well);
	tcase_add_test(tc,
		       another_file_is_not_replaced_and_half_of_one_is_removed);
	suite_add_tcase(s, tc);
	return s;
}
