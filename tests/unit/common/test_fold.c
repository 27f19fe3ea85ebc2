/* Looking for text, letters' case apart. */
#include <check.h>
#include <string.h>

#include "fold.h"

Suite *suite_fold(void);

static bool found(const char *text, const char *what)
{
	struct fold f;

	ck_assert(fold_set(&f, what));
	return fold_contains(text, &f);
}

START_TEST(the_case_of_letters_does_not_matter)
{
	ck_assert(found("Barack Obama", "oBAMA"));
	ck_assert(found("Zo\xc3\x8b", "zo\xc3\xab")); /* ZoE, zoe, with dots */
	ck_assert(found("\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd",
			"\xd0\xb8\xd0\x92\xd0\x90")); /* Cyrillic */
	ck_assert(found("\xe7\x8e\x8b\xe4\xbc\x9f", "\xe4\xbc\x9f"));
	ck_assert(found("a", ""));
	ck_assert(found("", ""));
}
END_TEST

START_TEST(everything_else_does)
{
	ck_assert(!found("Barack", "Barrack"));
	ck_assert(!found("Zoe", "zo\xc3\xab"));
	ck_assert(!found("", "a"));
	ck_assert(!found("a%b", "a.b"));
}
END_TEST

START_TEST(what_is_no_text_is_not_found)
{
	char big[FOLD_BYTES_MAX + 2];
	struct fold f;

	ck_assert(!fold_set(&f, "\xff"));
	ck_assert(!fold_set(&f, "a\xc3"));
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	ck_assert(!fold_set(&f, big));
	big[FOLD_BYTES_MAX] = '\0';
	ck_assert(fold_set(&f, big));
	ck_assert(found(big, "xXx"));
	ck_assert(!found("\xff x", "x"));
}
END_TEST

Suite *suite_fold(void)
{
	Suite *s = suite_create("fold");
	TCase *t = tcase_create("fold");

	tcase_add_test(t, the_case_of_letters_does_not_matter);
	tcase_add_test(t, everything_else_does);
	tcase_add_test(t, what_is_no_text_is_not_found);
	suite_add_tcase(s, t);
	return s;
}
