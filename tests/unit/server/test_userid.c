/* DeepStack's userids and our ids. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "userid.h"

Suite *suite_userid(void);

static const char *id_of(const char *userid)
{
	static char id[PERSON_ID_MAX + 1];

	ck_assert(userid_to_id(userid, id));
	return id;
}

START_TEST(what_is_an_id_stays_one)
{
	ck_assert_str_eq(id_of("p-17"), "p-17");
	ck_assert_str_eq(id_of("a.b_c:d@e"), "a.b_c:d@e");
}
END_TEST

START_TEST(names_that_differ_have_ids_that_differ)
{
	char first[PERSON_ID_MAX + 1];

	/* printf '%s' 'Idris Elba' | sha256sum */
	ck_assert_str_eq(id_of("Idris Elba"), "Idris_Elba-baf9f7d0");
	(void)snprintf(first, sizeof first, "%s", id_of("\xe6\x9d\x8e"));
	ck_assert_str_ne(id_of("\xe7\x8e\x8b"), first);
	ck_assert_int_eq(strncmp(first, "___-", 4), 0);
}
END_TEST

START_TEST(every_name_has_an_id_and_is_known_by_it)
{
	char name[PERSON_NAME_MAX + 1];
	struct db_person p = { 0 };

	for (size_t n = 1; n <= PERSON_NAME_MAX; n++) {
		memset(name, n % 2 ? ' ' : 'x', n);
		name[n] = '\0';
		memcpy(p.name, name, sizeof name);
		(void)snprintf(p.id, sizeof p.id, "%s", id_of(name));
		ck_assert_uint_le(strlen(p.id), PERSON_ID_MAX);
		ck_assert_str_eq(userid_of(&p), name);
	}
}
END_TEST

START_TEST(who_was_enrolled_otherwise_is_known_by_id)
{
	struct db_person p = { .id = "p-17", .name = "Idris Elba" };

	ck_assert_str_eq(userid_of(&p), "p-17");
	p.name[0] = '\0';
	ck_assert_str_eq(userid_of(&p), "p-17");
}
END_TEST

START_TEST(what_is_no_name_is_no_userid)
{
	char id[PERSON_ID_MAX + 1], name[PERSON_NAME_MAX + 2];

	ck_assert(!userid_to_id("", id));
	ck_assert(!userid_to_id("unknown", id));
	ck_assert(!userid_to_id("a\nb", id));
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	ck_assert(!userid_to_id(name, id));
}
END_TEST

Suite *suite_userid(void)
{
	Suite *s = suite_create("userid");
	TCase *t = tcase_create("userid");

	tcase_add_test(t, what_is_an_id_stays_one);
	tcase_add_test(t, names_that_differ_have_ids_that_differ);
	tcase_add_test(t, every_name_has_an_id_and_is_known_by_it);
	tcase_add_test(t, who_was_enrolled_otherwise_is_known_by_id);
	tcase_add_test(t, what_is_no_name_is_no_userid);
	suite_add_tcase(s, t);
	return s;
}
