/* Pair lists and label errors: what is read, and the line that is named when
 * it cannot be. */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clitest.h"
#include "errata.h"
#include "pairs.h"

Suite *suite_pairs(void);

/* Pictures in order: A 1, A 2, B 1, C 1, C 2, D 1. */
#define LIST "2\t1\nA\t1\t2\nB\t1\tA\t2\nC 1 2\nC 2 D 1\n"

static struct pair_list list;
static struct errata errata;
static struct errinfo err;

static void setup(void)
{
	err_clear(&err);
	clitest_setup();
}

static void refuse(const char *text, const char *why)
{
	err_clear(&err);
	clitest_write(text);
	ck_assert_int_eq(pairs_read(clitest_path, &list, &err), ST_BAD_REQUEST);
	ck_assert_msg(strstr(err.text, why) != NULL, "\"%s\" says \"%s\"", text,
		      err.text);
	ck_assert_ptr_null(list.pairs);
	ck_assert_ptr_null(list.pictures);
}

START_TEST(list_gives_pairs_with_folds_and_each_picture_once)
{
	static const struct pair_entry wanted[] = {
		{ 0, 1, true, 0 },
		{ 2, 1, false, 0 },
		{ 3, 4, true, 1 },
		{ 4, 5, false, 1 },
	};

	clitest_list(LIST, &list);
	ck_assert_uint_eq(list.pair_count, 4);
	ck_assert_uint_eq(list.picture_count, 6);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_uint_eq(list.pairs[i].a, wanted[i].a);
		ck_assert_uint_eq(list.pairs[i].b, wanted[i].b);
		ck_assert_int_eq(list.pairs[i].same, wanted[i].same);
		ck_assert_uint_eq(list.pairs[i].fold, wanted[i].fold);
	}
	ck_assert_str_eq(list.pictures[5].name, "D");
	ck_assert_uint_eq(list.pictures[5].index, 1);
	pairs_free(&list);
}
END_TEST

START_TEST(windows_line_ends_and_a_missing_last_one_are_fine)
{
	clitest_list("2 1\r\nA 1 2\r\nA 1 B 1\r\nA 2 3\r\nA 1 B 2", &list);
	ck_assert_uint_eq(list.picture_count, 5);
	pairs_free(&list);
}
END_TEST

START_TEST(first_line_must_name_folds_and_pairs)
{
	static const char *const bad[] = {
		"",
		"\n",
		"10\n",
		"10 300 1\n",
		"1 1\n",
		"0 1\n",
		"11 1\n",
		"2 0\n",
		"2 50001\n",
		"-2 1\n",
		"2 1x\n",
		"folds pairs\n",
		"2 +1\n",
		"2 0x1\n",
		"2.0 1\n",
		"99999999999 1\n",
		"2 99999999999999999999\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(bad[i], "line 1 ");
}
END_TEST

START_TEST(bad_pair_is_named_by_its_line)
{
	refuse("2 1\nA 1\n", "line 2 is not \"name i j\"");
	refuse("2 1\nA 1 B 2\n", "line 2 is not \"name i j\"");
	refuse("2 1\nA 1 2\nA 1 2\n", "line 3 is not \"name1 i name2 j\"");
	refuse("2 1\nA 1 2\nA 1 B 1 x\n", "line 3 is not");
	refuse("2 1\nA 1 2\nA 1 B 1\n\n", "line 4 is not");
	refuse("2 1\nA -1 2\n", "line 2 is not");
	refuse("2 1\nA 1 2147483648\n", "line 2 is not");
	refuse("2 1\nA 1 b\n", "line 2 is not");
}
END_TEST

START_TEST(name_cannot_leave_the_picture_folder)
{
	refuse("2 1\n../A 1 2\n", "line 2 is not");
	refuse("2 1\n.. 1 2\n", "line 2 is not");
	refuse("2 1\n/etc 1 2\n", "line 2 is not");
	refuse("2 1\nA 1 2\nA 1 B/C 1\n", "line 3 is not");
}
END_TEST

START_TEST(list_that_ends_early_or_late_is_refused)
{
	refuse("2 1\nA 1 2\nA 1 B 1\nA 1 3\n", "before line 5 of 5");
	refuse(LIST "A 1 2\n", "line 6 is one more");
	clitest_list(LIST "\n \n", &list);
	pairs_free(&list);
}
END_TEST

START_TEST(long_names_and_lines_are_refused)
{
	char text[1024];

	snprintf(text, sizeof(text), "2 1\n%0*d 1 2\n", PAIRS_NAME_MAX, 7);
	refuse(text, "line 2 is not");
	snprintf(text, sizeof(text), "2 1\nA%*d 2\n", 600, 1);
	refuse(text, "line 2 is too long");
	snprintf(text, sizeof(text), "2 1\n%0*d 1 2\nA 1 B 1\nA 1 2\nA 1 B 1\n",
		 PAIRS_NAME_MAX - 1, 7);
	clitest_list(text, &list);
	pairs_free(&list);
}
END_TEST

START_TEST(nul_bytes_are_refused)
{
	static const char bytes[] = "2 1\nA 1 2\0\nA 1 B 1\nA 1 2\nA 1 B 1\n";

	clitest_write_bytes(bytes, sizeof(bytes) - 1);
	ck_assert_int_eq(pairs_read(clitest_path, &list, &err), ST_BAD_REQUEST);
	ck_assert_ptr_nonnull(strstr(err.text, "line 2"));
}
END_TEST

START_TEST(file_that_cannot_be_read_says_why)
{
	ck_assert_int_eq(pairs_read("/nowhere/at/all", &list, &err),
			 ST_IO_ERROR);
	ck_assert_str_eq(err.text, "No such file or directory");
	err_clear(&err);
	ck_assert_int_eq(pairs_read("/", &list, &err), ST_IO_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, "Is a directory"));
}
END_TEST

static char folder[] = "/tmp/facegate-lfw-XXXXXX";

static void touch(const char *name)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fclose(f);
}

static void make_folder(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

START_TEST(folder_adds_its_pictures_and_pairs_keep_theirs)
{
	static const char *const files[] = {
		"A/A_0003.jpg", "A/A_0001.jpg", "B/B_0001.jpg", "E/E_0001.jpg",
		"E/E_12345.jpg", "A0/A0_0001.jpg",
		/* none of these is a picture of the format */
		"E/E_1.jpg", "E/E_0001.png", "E/F_0001.jpg", "E/E_00002.jpg",
		"E/E_0003.jpg~", "E/E_9999999999.jpg", "E/E_.jpg",
		"stray_0001.jpg", ".hidden/.hidden_0001.jpg"
	};
	static const char *const people[] = { "A", "B", "E", "A0", ".hidden" };
	static const struct {
		const char *name;
		unsigned index, person;
	} wanted[] = { { "A", 1, 0 },	 { "A", 2, 0 }, { "A", 3, 0 },
		       { "A0", 1, 1 },	 { "B", 1, 2 }, { "C", 1, 3 },
		       { "C", 2, 3 },	 { "D", 1, 4 }, { "E", 1, 5 },
		       { "E", 12345, 5 } };
	static const size_t pairs[4][2] = {
		{ 0, 1 }, { 4, 1 }, { 5, 6 }, { 6, 7 }
	};

	ck_assert_ptr_nonnull(mkdtemp(folder));
	for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++)
		make_folder(people[i]);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		touch(files[i]);
	clitest_list(LIST, &list);
	ck_assert_int_eq(pairs_add_folder(&list, folder, &err), ST_OK);
	ck_assert_uint_eq(list.picture_count,
			  sizeof(wanted) / sizeof(wanted[0]));
	for (size_t i = 0; i < list.picture_count; i++) {
		ck_assert_str_eq(list.pictures[i].name, wanted[i].name);
		ck_assert_uint_eq(list.pictures[i].index, wanted[i].index);
		ck_assert_uint_eq(list.pictures[i].person, wanted[i].person);
	}
	for (size_t i = 0; i < 4; i++) {
		ck_assert_uint_eq(list.pairs[i].a, pairs[i][0]);
		ck_assert_uint_eq(list.pairs[i].b, pairs[i][1]);
	}
	pairs_free(&list);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		unlink(path);
	}
	for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/%s", folder, people[i]);
		rmdir(path);
	}
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(folder_that_is_missing_says_why)
{
	clitest_list(LIST, &list);
	ck_assert_int_eq(pairs_add_folder(&list, "/nowhere/at/all", &err),
			 ST_IO_ERROR);
	ck_assert_str_eq(err.text, "No such file or directory");
	ck_assert_uint_eq(list.picture_count, 6);
	pairs_free(&list);
}
END_TEST

/* Which pictures picture i is not compared with, as "010010". */
static const char *skipped(const char *text, size_t i)
{
	static char out[7];
	bool skip[6] = { false };

	clitest_list(LIST, &list);
	clitest_write(text);
	err_clear(&err);
	ck_assert_msg(errata_read(clitest_path, &list, &errata, &err) == ST_OK,
		      "%s", err.text);
	ck_assert_int_eq(errata_mark(&errata, i, skip),
			 memchr(skip, 1, sizeof(skip)) != NULL);
	for (size_t k = 0; k < 6; k++)
		out[k] = skip[k] ? '1' : '0';
	errata_free(&errata);
	pairs_free(&list);
	return out;
}

START_TEST(erratum_of_two_names_covers_all_their_pictures_both_ways)
{
	ck_assert_str_eq(skipped("A C\n", 0), "000110");
	ck_assert_str_eq(skipped("A C\n", 1), "000110");
	ck_assert_str_eq(skipped("A C\n", 2), "000000");
	ck_assert_str_eq(skipped("A C\n", 4), "110000");
	ck_assert_str_eq(skipped("A A\n", 0), "110000");
}
END_TEST

START_TEST(erratum_of_one_picture_covers_every_comparison_of_it)
{
	ck_assert_str_eq(skipped("C 1\n", 3), "111111");
	ck_assert_str_eq(skipped("C 1\n", 4), "000100");
	ck_assert_str_eq(skipped("C 1\n", 0), "000100");
}
END_TEST

START_TEST(picture_compared_with_nothing_is_dropped)
{
	clitest_list(LIST, &list);
	clitest_write("A 1\nC 1 2\nB D\n");
	ck_assert_int_eq(errata_read(clitest_path, &list, &errata, &err),
			 ST_OK);
	for (size_t i = 0; i < 6; i++)
		ck_assert_int_eq(errata_drops(&errata, i), i == 0);
	errata_free(&errata);
	pairs_free(&list);
}
END_TEST

START_TEST(erratum_of_two_pictures_covers_that_comparison_alone)
{
	ck_assert_str_eq(skipped("C 1 2\n", 3), "000010");
	ck_assert_str_eq(skipped("C 1 2\n", 4), "000100");
	ck_assert_str_eq(skipped("A 2 D 1\n", 1), "000001");
	ck_assert_str_eq(skipped("A 2 D 1\n", 5), "010000");
	ck_assert_str_eq(skipped("A 2 D 1\n", 0), "000000");
}
END_TEST

START_TEST(many_errata_add_up)
{
	ck_assert_str_eq(skipped("# two people\n\nA B # one\nA 1 D 1\n"
				 "A 1 2\nC 1 2\nB D\n",
				 0),
			 "011001");
}
END_TEST

START_TEST(erratum_that_names_nobody_is_counted_as_unused)
{
	clitest_list(LIST, &list);
	clitest_write("A E\nA 3\nB C\nE 1 A 1\n");
	ck_assert_int_eq(errata_read(clitest_path, &list, &errata, &err),
			 ST_OK);
	ck_assert_uint_eq(errata.count, 1);
	ck_assert_uint_eq(errata.unused, 3);
	errata_free(&errata);
	pairs_free(&list);
}
END_TEST

START_TEST(bad_erratum_is_named_by_its_line)
{
	static const char *const bad[] = { "A\n", "A B C\n", "A 1 B\n",
					   "A 1 B 1 C\n", "A/1 B\n" };

	clitest_list(LIST, &list);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "# head\nA B\n%s", bad[i]);
		clitest_write(text);
		err_clear(&err);
		ck_assert_int_eq(
			errata_read(clitest_path, &list, &errata, &err),
			ST_BAD_REQUEST);
		ck_assert_ptr_nonnull(strstr(err.text, "line 3 is not"));
		ck_assert_ptr_null(errata.items);
	}
	pairs_free(&list);
}
END_TEST

Suite *suite_pairs(void)
{
	Suite *s = suite_create("pairs");
	TCase *t = tcase_create("pairs");

	tcase_add_checked_fixture(t, setup, clitest_teardown);
	tcase_add_test(t, list_gives_pairs_with_folds_and_each_picture_once);
	tcase_add_test(t, windows_line_ends_and_a_missing_last_one_are_fine);
	tcase_add_test(t, first_line_must_name_folds_and_pairs);
	tcase_add_test(t, bad_pair_is_named_by_its_line);
	tcase_add_test(t, name_cannot_leave_the_picture_folder);
	tcase_add_test(t, list_that_ends_early_or_late_is_refused);
	tcase_add_test(t, long_names_and_lines_are_refused);
	tcase_add_test(t, nul_bytes_are_refused);
	tcase_add_test(t, file_that_cannot_be_read_says_why);
	tcase_add_test(t, folder_adds_its_pictures_and_pairs_keep_theirs);
	tcase_add_test(t, folder_that_is_missing_says_why);
	suite_add_tcase(s, t);
	t = tcase_create("errata");
	tcase_add_checked_fixture(t, setup, clitest_teardown);
	tcase_add_test(
		t, erratum_of_two_names_covers_all_their_pictures_both_ways);
	tcase_add_test(t, erratum_of_one_picture_covers_every_comparison_of_it);
	tcase_add_test(t, picture_compared_with_nothing_is_dropped);
	tcase_add_test(t, erratum_of_two_pictures_covers_that_comparison_alone);
	tcase_add_test(t, many_errata_add_up);
	tcase_add_test(t, erratum_that_names_nobody_is_counted_as_unused);
	tcase_add_test(t, bad_erratum_is_named_by_its_line);
	suite_add_tcase(s, t);
	return s;
}
