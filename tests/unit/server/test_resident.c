/* What the start has read is let go, and comes back when it is needed. */
#include <check.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "resident.h"

Suite *suite_resident(void);

/* Of the code of a library: KiB that are in memory. */
static unsigned code_kib(const char *library)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned kib, sum = 0;
	bool code = false;
	char line[512];

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strstr(line, " r-xp ") != NULL)
			code = strstr(line, library) != NULL;
		else if (code && sscanf(line, "Rss: %u kB", &kib) == 1)
			sum += kib;
		else if (strncmp(line, "VmFlags:", 8) == 0)
			code = false;
	}
	fclose(f);
	return sum;
}

static double parsed(const char *text)
{
	json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
	double number = json_number_value(value);

	json_decref(value);
	return number;
}

START_TEST(code_of_libraries_goes_and_comes_back)
{
	ck_assert_double_eq(parsed("1.5"), 1.5);
	ck_assert_uint_gt(code_kib("libjansson"), 0);
	resident_drop_libraries();
	ck_assert_uint_eq(code_kib("libjansson"), 0);
	ck_assert_double_eq(parsed("2.5"), 2.5);
	ck_assert_uint_gt(code_kib("libjansson"), 0);
}
END_TEST

Suite *suite_resident(void)
{
	Suite *s = suite_create("resident");
	TCase *t = tcase_create("libraries");

	tcase_add_test(t, code_of_libraries_goes_and_comes_back);
	suite_add_tcase(s, t);
	return s;
}
