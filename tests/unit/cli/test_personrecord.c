/* Lines of an export: what is written is read again to the bit, and what cannot
 * be of a person or a template is refused. */
#include "runner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clitest.h"
#include "persondoc.h"
#include "personrecord.h"

Suite *suite_personrecord(void);

#define AT 1700000000123

static struct personrecord got;

static enum status read_line(const char *line)
{
	struct errinfo err;
	enum status st;

	err_clear(&err);
	st = personrecord_read(line, strlen(line), &got, &err);
	ck_assert(st == ST_OK || (st == ST_BAD_EXPORT && err.text[0] != '\0'));
	return st;
}

static enum status read_json(json_t *o)
{
	char *line = json_dumps(o, JSON_COMPACT);
	enum status st;

	ck_assert_ptr_nonnull(line);
	st = read_line(line);
	free(line);
	json_decref(o);
	return st;
}

START_TEST(template_comes_back_to_the_bit)
{
	struct db_template about = { .id = 7,
				     .model_id = "accurate@79c499ef~01234567",
				     .key_id = "0123abcd",
				     .created_ms = AT };
	uint32_t seed = 3;

	for (int i = 0; i < 50; i++) {
		struct face_template t = clitest_template(&seed);

		t.length = 10.0F / (float)(i + 1);
		about.quality = i ? (double)(100.0F / (float)i) : (double)NAN;
		ck_assert_int_eq(read_json(personrecord_template(&about, &t)),
				 ST_OK);
		ck_assert(got.is_template);
		ck_assert_mem_eq(&got.t, &t, sizeof(t));
		ck_assert_str_eq(got.about.model_id, about.model_id);
		ck_assert(got.about.quality == about.quality ||
			  (i == 0 && isnan(got.about.quality)));
		ck_assert_int_eq(got.about.created_ms, AT);
		ck_assert_str_eq(got.about.key_id, ""); /* another gateway's */
	}
}
END_TEST

START_TEST(person_comes_back_whole)
{
	struct db_person p = { .id = "anna:7@x.y",
			       .name = "Anna \"\xc3\xa4\" \\",
			       .groups = "staff night",
			       .valid_from_ms = AT,
			       .valid_until_ms = AT + 1,
			       .metadata = "{\"a\":0.10000000000000001}",
			       .card = { 12, 3456 },
			       .created_ms = AT };

	ck_assert_int_eq(read_json(persondoc_json(&p)), ST_OK);
	ck_assert(!got.is_template);
	ck_assert_str_eq(got.person.id, p.id);
	ck_assert_str_eq(got.person.name, p.name);
	ck_assert_str_eq(got.person.groups, p.groups);
	ck_assert_str_eq(got.person.metadata, p.metadata);
	ck_assert_int_eq(got.person.valid_from_ms, AT);
	ck_assert_int_eq(got.person.valid_until_ms, AT + 1);
	ck_assert_int_eq(got.person.card.facility, 12);
	ck_assert_int_eq(got.person.card.number, 3456);
	ck_assert_int_eq(got.person.created_ms, AT);
	p = (struct db_person){ .id = "b",
				.metadata = "{}",
				.card = { -1, -1 },
				.created_ms = AT };
	ck_assert_int_eq(read_json(persondoc_json(&p)), ST_OK);
	ck_assert_str_eq(got.person.groups, "");
	ck_assert_int_eq(got.person.valid_from_ms, 0);
	ck_assert_int_eq(got.person.card.number, -1);
}
END_TEST

START_TEST(line_that_is_neither_is_refused)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{}",
		"null",
		"{\"person_id\":\"a\"}",
		"{\"person_id\":\"a "
		"b\",\"created_at\":\"2026-01-31T12:34:56Z\"}",
		"{\"person_id\":\"a\",\"created_at\":7}",
		"{\"person_id\":\"a\",\"person_id\":\"b\","
		"\"created_at\":\"2026-01-31T12:34:56Z\"}",
		"{\"person_id\":\"a\",\"created_at\":\"2026-01-31T12:34:56Z\","
		"\"groups\":[\"x\",\"x\"]}",
		"{\"template\":[]}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(read_line(bad[i]) == ST_BAD_EXPORT, "%s", bad[i]);
}
END_TEST

static enum status changed(const char *member, json_t *value)
{
	struct db_template about = { .model_id = "m@1",
				     .quality = 50,
				     .created_ms = AT };
	uint32_t seed = 3;
	struct face_template t = clitest_template(&seed);
	json_t *o = personrecord_template(&about, &t);

	json_object_set_new(o, member, value);
	return read_json(o);
}

static json_t *numbers(json_t *first, int count)
{
	json_t *v = json_pack("[o]", first);

	while ((int)json_array_size(v) < count)
		json_array_append_new(v, json_integer(1));
	return v;
}

START_TEST(template_that_cannot_be_is_refused)
{
	ck_assert_int_eq(changed("quality", json_null()), ST_OK);
	ck_assert_int_eq(changed("quality", json_integer(101)), ST_BAD_EXPORT);
	ck_assert_int_eq(changed("model", json_string("")), ST_BAD_EXPORT);
	ck_assert_int_eq(changed("model", json_string("a b")), ST_BAD_EXPORT);
	ck_assert_int_eq(changed("created_at", json_null()), ST_BAD_EXPORT);
	/* A larger scale would let everybody in. */
	ck_assert_int_eq(changed("scale", json_real(0.1)), ST_BAD_EXPORT);
	ck_assert_int_eq(changed("scale", json_null()), ST_BAD_EXPORT);
	ck_assert_int_eq(changed("length", json_integer(-1)), ST_BAD_EXPORT);
	ck_assert_int_eq(changed("length", json_real(1e38)), ST_BAD_EXPORT);
	ck_assert_int_eq(changed("template", numbers(json_integer(1), 127)),
			 ST_BAD_EXPORT);
	ck_assert_int_eq(changed("template", numbers(json_integer(128), 128)),
			 ST_BAD_EXPORT);
	ck_assert_int_eq(changed("template", numbers(json_real(1), 128)),
			 ST_BAD_EXPORT);
	ck_assert_int_eq(changed("template", json_integer(1)), ST_BAD_EXPORT);
}
END_TEST

Suite *suite_personrecord(void)
{
	Suite *s = suite_create("personrecord");
	TCase *tc = tcase_create("personrecord");

	tcase_add_test(tc, template_comes_back_to_the_bit);
	tcase_add_test(tc, person_comes_back_whole);
	tcase_add_test(tc, line_that_is_neither_is_refused);
	tcase_add_test(tc, template_that_cannot_be_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
