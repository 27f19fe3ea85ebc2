/* multipart/form-data. Each body is run cut at every place, see
 * run_all_cuts. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uploadtest.h"

Suite *suite_upload_form(void);

#define PART(name)                                                             \
	"--XyZ\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define CLOSE	"--XyZ--\r\n"
#define TEN	"0123456789"
#define PICTURE PART("image") "JJ\r\n"

static const struct outcome *refused(const char *body, const char *word)
{
	const struct outcome *o = run_text(FORM_TYPE, body);

	ck_assert_msg(o->st == ST_BAD_REQUEST, "%s for: %s", status_code(o->st),
		      body);
	ck_assert_msg(strstr(o->err.text, word) != NULL, "\"%s\" for: %s",
		      o->err.text, body);
	return o;
}

static const struct outcome *taken(const char *body)
{
	const struct outcome *o = run_text(FORM_TYPE, body);

	ck_assert_msg(o->st == ST_OK, "%s for: %s", o->err.text, body);
	return o;
}

START_TEST(parts_become_pictures_and_parameters)
{
	const struct outcome *o = taken(PART(
		"person_id") "p-17\r\n"
			     "--XyZ\r\ncontent-type: "
			     "image/jpeg\r\n"
			     "CONTENT-DISPOSITION: form-data; "
			     "filename=\"../../etc/passwd\"; "
			     "name=image\r\nX-Other: "
			     "1\r\n\r\nfirst\r\n" PART("image") "\r\n" PART(
				     "name") "Zo\xc3\xab\r\nline "
					     "two\r\n" PART(
						     "imag"
						     "e") "third\r\n" PART("emp"
									   "ty") "\r\n" CLOSE);

	ck_assert_str_eq(o->text, "person_id=p-17\nname=Zo\xc3\xab\r\nline two"
				  "\nempty=\n");
	ck_assert_uint_eq(o->pictures, 3);
	ck_assert_uint_eq(o->length[0], 5);
	ck_assert_uint_eq(o->length[1], 0);
	ck_assert_uint_eq(o->length[2], 5);
	ck_assert_mem_eq(o->bytes, "firstthird", 10);
}
END_TEST

START_TEST(preamble_epilogue_and_blanks_after_a_boundary_are_read_past)
{
	const struct outcome *o = taken(
		"for old mail readers\r\n--XyY\r\n--XyZ \t\r\n"
		"Content-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n"
		"--XyZ--\r\nand --XyZ more\r\n--XyZ\r\n");

	ck_assert_str_eq(o->text, "a=v\n");
	ck_assert_uint_eq(o->pictures, 0);
	ck_assert_str_eq(taken(PART("a") "v\r\n--XyZ--")->text, "a=v\n");
	ck_assert_uint_eq(taken(CLOSE)->params, 0);
}
END_TEST

START_TEST(bytes_like_a_boundary_pass_unharmed)
{
	static const char *const bodies[] = {
		"\r\n--XyY",
		"\r\n--Xy",
		"\r\n--X\r\n--Xy\r\n--",
		"\r",
		"\r\r\n\r\n-\r\n",
		"--XyZ",
		"\n--XyZ--\r\r",
		"\r--XyZ\r\n",
		"\r\n-\r\n--\r\n--X\r\n",
	};
	char body[300];

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		const struct outcome *o;

		snprintf(body, sizeof(body), "%s%s\r\n%s", PART("image"),
			 bodies[i], CLOSE);
		o = taken(body);
		ck_assert_uint_eq(o->pictures, 1);
		ck_assert_uint_eq(o->total, strlen(bodies[i]));
		ck_assert_mem_eq(o->bytes, bodies[i], o->total);
		snprintf(body, sizeof(body), "%s%s\r\n%s", PART("p"), bodies[i],
			 CLOSE);
		o = taken(body);
		ck_assert_uint_eq(strlen(o->text), strlen(bodies[i]) + 3);
		ck_assert_mem_eq(o->text + 2, bodies[i], strlen(bodies[i]));
	}
}
END_TEST

/* Pieces of the longest delimiter are strewn into random bytes. */
START_TEST(random_bytes_with_the_longest_boundary_pass_unharmed)
{
	static const char b[] = "0123456789012345678901234567890123456789"
				"0123456789'()+_,-./:=?x A09zZ0";
	static uint8_t body[2400];
	char type[160], mark[80];
	uint64_t seed = 99;
	size_t n, start, end;
	const struct outcome *o;

	ck_assert_uint_eq(strlen(b), 70);
	snprintf(type, sizeof(type),
		 "Multipart/Form-Data; charset=x; BOUNDARY=\"%s\"", b);
	snprintf(mark, sizeof(mark), "\r\n--%s", b);
	n = (size_t)snprintf((char *)body, sizeof(body),
			     "--%s\r\nContent-Disposition: form-data; "
			     "name=\"image\"\r\n\r\n",
			     b);
	start = n;
	while (n < 2000) {
		size_t len = test_random(&seed) % 74;

		memcpy(body + n, mark, len);
		n += len;
		if (body[n - 1] == '0')
			body[n++] = (uint8_t)(test_random(&seed) | 0x80);
		else
			body[n++] = (uint8_t)(test_random(&seed) & 0x0f);
	}
	end = n;
	n += (size_t)snprintf((char *)body + n, sizeof(body) - n, "%s--", mark);
	o = run_all_cuts(type, body, n);
	ck_assert_msg(o->st == ST_OK, "%s", o->err.text);
	ck_assert_uint_eq(o->length[0], end - start);
	ck_assert_mem_eq(o->bytes, body + start, end - start);
}
END_TEST

START_TEST(content_types_without_a_sane_boundary_are_refused)
{
	static const char *const bad[] = {
		"multipart/form-data",
		"multipart/form-data;",
		"multipart/form-data; charset=utf-8",
		"multipart/form-data; boundary=",
		"multipart/form-data; boundary=\"\"",
		"multipart/form-data; boundary=\"a",
		"multipart/form-data; boundary=\"a \"",
		"multipart/form-data; boundary=a\"b",
		"multipart/form-data; boundary=a; boundary=b",
		"multipart/form-data; boundary=a b",
		"multipart/form-data; boundary=a; junk",
		"multipart/form-data; boundary=a\xc3\xa4",
		"multipart/form-data; boundary=\"a\r\nb\"",
		"multipart/form-data; boundary=a*b",
		"multipart/form-data boundary=a",
		"multipart/form-data; boundary=" TEN TEN TEN TEN TEN TEN TEN
		"0",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct outcome *o = run_whole(bad[i], "", 0);

		ck_assert_msg(o->st == ST_BAD_REQUEST, "%s", bad[i]);
		ck_assert_int_eq(o->err.status, ST_BAD_REQUEST);
		ck_assert_ptr_nonnull(strstr(o->err.text, "oundar"));
	}
	ck_assert_int_eq(
		run_text("multipart/form-data; boundary=a;", "--a--")->st,
		ST_OK);
}
END_TEST

START_TEST(missing_closing_boundary_is_refused)
{
	static const char whole[] = PICTURE PART("a") "v\r\n--XyZ--";
	char part[sizeof(whole)];

	taken(whole);
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		memcpy(part, whole, n);
		part[n] = '\0';
		refused(part, "closing boundary");
	}
	refused("no boundary at all", "closing boundary");
}
END_TEST

START_TEST(damaged_parts_are_refused)
{
	static const char *const bad[][2] = {
		{ "--XyZabc\r\n", "boundary is followed" },
		{ "--XyZ-\r\n", "boundary is followed" },
		{ "--XyZ\n", "boundary is followed" },
		{ "--XyZ\rx", "boundary is followed" },
		{ PICTURE "--XyZ x", "boundary is followed" },
		{ "--XyZ\r\n\r\n", "no Content-Disposition" },
		{ "--XyZ\r\nContent-Type: image/jpeg\r\n\r\n",
		  "no Content-Disposition" },
		{ "--XyZ\r\nContent-Disposition: attachment; name=a\r\n\r\n",
		  "not form-data" },
		{ "--XyZ\r\nContent-Disposition: form-data\r\n\r\n",
		  "no name" },
		{ "--XyZ\r\nContent-Disposition: form-data; filename=a\r\n\r\n",
		  "no name" },
		{ "--XyZ\r\nContent-Disposition: form-data; name=\"a\r\n\r\n",
		  "damaged" },
		{ "--XyZ\r\nContent-Disposition: form-data; name=\"a\\\"\r\n",
		  "damaged" },
		{ "--XyZ\r\nContent-Disposition: form-data; =a\r\n",
		  "damaged" },
		{ "--XyZ\r\nContent-Disposition: form-data; name=a; name=b\r\n",
		  "two names" },
		{ "--XyZ\r\nContent-Disposition: form-data; name=a\r\n"
		  "Content-Disposition: form-data; name=b\r\n",
		  "two Content-Disposition" },
		{ "--XyZ\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n",
		  "name is 1 to 64" },
		{ PART("a\x7f"), "control character" },
		{ PART("a\xff"), "name is 1 to 64" },
		{ PART("a\tb"), "name is 1 to 64" },
		{ "--XyZ\r\nnonsense\r\n", "header line is damaged" },
		{ "--XyZ\r\n: x\r\n", "header line is damaged" },
		{ "--XyZ\r\n X: folded\r\n", "header line is damaged" },
		{ "--XyZ\r\nX: a\nY: b\r\n", "control character" },
		{ "--XyZ\r\nX: a\rY: b\r\n", "control character" },
		{ "--XyZ\r\nX: \x01\r\n", "control character" },
		{ "--XyZ\r\nContent-Transfer-Encoding: base64\r\n",
		  "Content-Transfer-Encoding" },
		{ "--XyZ\r\ncontent-transfer-encoding:quoted-printable\r\n",
		  "Content-Transfer-Encoding" },
		{ PART("a") "1\r\n" PART("a") "1\r\n" CLOSE, "given twice" },
		{ PART("a") "\xc0\x80\r\n" CLOSE, "not UTF-8" },
		{ PART("a") "\xed\xa0\x80\r\n" CLOSE, "not UTF-8" },
		{ PART("a") "\xf4\x90\x80\x80\r\n" CLOSE, "not UTF-8" },
		{ PART("a") "\xe2\x82\r\n" CLOSE, "not UTF-8" },
		{ PART("a") "\xe0\x9f\xbf\r\n" CLOSE, "not UTF-8" },
		{ PART("a") "\xf0\x8f\xbf\xbf\r\n" CLOSE, "not UTF-8" },
		{ PART("a") "\xff\r\n" CLOSE, "not UTF-8" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i][0], bad[i][1]);
	taken("--XyZ\r\nContent-Disposition: form-data; name=image\r\n"
	      "Content-Transfer-Encoding: Binary\r\n\r\nx\r\n" CLOSE);
}
END_TEST

START_TEST(nul_is_refused_in_text_and_heads_but_not_in_pictures)
{
	static const char text[] = PART("a") "x\0y\r\n" CLOSE;
	static const char head[] = "--XyZ\r\nX: \0\r\n\r\n";
	static const char pict[] = PART("image") "x\0y\r\n" CLOSE;
	const struct outcome *o;

	o = run_all_cuts(FORM_TYPE, text, sizeof(text) - 1);
	ck_assert_int_eq(o->st, ST_BAD_REQUEST);
	o = run_all_cuts(FORM_TYPE, head, sizeof(head) - 1);
	ck_assert_int_eq(o->st, ST_BAD_REQUEST);
	o = run_all_cuts(FORM_TYPE, pict, sizeof(pict) - 1);
	ck_assert_int_eq(o->st, ST_OK);
	ck_assert_mem_eq(o->bytes, "x\0y", 3);
}
END_TEST

/* A head of n bytes, all its lines together. */
static const struct outcome *head_of(size_t n)
{
	static const char line[] = "Content-Disposition: form-data; "
				   "name=\"a\"; filename=\"";
	char body[1400];
	size_t len = (size_t)snprintf(body, sizeof(body), "--XyZ\r\n%s", line);
	size_t end = 7 + n - 5; /* the boundary's line; "CRLF CRLF */

	memset(body + len, 'f', end - len);
	snprintf(body + end, sizeof(body) - end, "\"\r\n\r\nv\r\n%s", CLOSE);
	return run_text(FORM_TYPE, body);
}

START_TEST(head_of_a_part_is_bounded)
{
	const struct outcome *o = head_of(1024);

	ck_assert_msg(o->st == ST_OK, "%s", o->err.text);
	ck_assert_str_eq(o->text, "a=v\n");
	o = head_of(1025);
	ck_assert_int_eq(o->st, ST_BAD_REQUEST);
	ck_assert_int_eq(o->err.limit, 1024);
}
END_TEST

static const struct outcome *param_of(size_t name, size_t value)
{
	static char body[8000], n[100], v[6000];

	memset(n, 'n', name);
	n[name] = '\0';
	memset(v, 'v', value);
	v[value] = '\0';
	snprintf(body, sizeof(body),
		 "--XyZ\r\nContent-Disposition: form-data; name=%s\r\n\r\n%s"
		 "\r\n%s",
		 n, v, CLOSE);
	return run_whole(FORM_TYPE, body, strlen(body));
}

START_TEST(names_and_values_are_bounded)
{
	ck_assert_int_eq(param_of(64, 4096)->st, ST_OK);
	ck_assert_uint_eq(strlen(param_of(64, 4096)->text), 64 + 4096 + 2);
	ck_assert_int_eq(param_of(65, 1)->st, ST_BAD_REQUEST);
	ck_assert_int_eq(param_of(66, 1)->st, ST_BAD_REQUEST);
	ck_assert_int_eq(param_of(90, 1)->st, ST_BAD_REQUEST);
	ck_assert_int_eq(param_of(1, 4097)->st, ST_BAD_REQUEST);
	ck_assert_int_eq(param_of(1, 4097)->err.limit, 4096);
}
END_TEST

static const struct outcome *many(const char *name, size_t count, size_t value)
{
	static char body[40000], v[5000];
	size_t len = 0;

	memset(v, 'v', value);
	v[value] = '\0';
	for (size_t i = 0; i < count; i++) {
		char number[24] = "";

		if (strcmp(name, "image") != 0)
			snprintf(number, sizeof(number), "%zu", i);
		len += (size_t)snprintf(
			body + len, sizeof(body) - len,
			"--XyZ\r\nContent-Disposition: form-data; name=%s%s"
			"\r\n\r\n%s\r\n",
			name, number, v);
	}
	snprintf(body + len, sizeof(body) - len, CLOSE);
	return run_whole(FORM_TYPE, body, strlen(body));
}

START_TEST(number_of_parts_and_their_text_are_bounded)
{
	const struct outcome *o = many("image", UPLOAD_PICTURES_MAX, 3);

	ck_assert_int_eq(o->st, ST_OK);
	ck_assert_uint_eq(o->pictures, UPLOAD_PICTURES_MAX);
	o = many("image", UPLOAD_PICTURES_MAX + 1, 3);
	ck_assert_int_eq(o->st, ST_BAD_REQUEST);
	ck_assert_int_eq(o->err.limit, UPLOAD_PICTURES_MAX);
	o = many("p", UPLOAD_PARAMS_MAX, 3);
	ck_assert_int_eq(o->st, ST_OK);
	ck_assert_uint_eq(o->params, UPLOAD_PARAMS_MAX);
	o = many("p", UPLOAD_PARAMS_MAX + 1, 3);
	ck_assert_int_eq(o->st, ST_BAD_REQUEST);
	ck_assert_int_eq(o->err.limit, UPLOAD_PARAMS_MAX);
	ck_assert_int_eq(many("p", 4, 4090)->st, ST_OK);
	o = many("p", 5, 4090);
	ck_assert_int_eq(o->st, ST_BAD_REQUEST);
	ck_assert_int_eq(o->err.limit, UPLOAD_TEXT_BYTES);
}
END_TEST

Suite *suite_upload_form(void)
{
	Suite *s = suite_create("upload_form");
	TCase *tc = tcase_create("multipart");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, parts_become_pictures_and_parameters);
	tcase_add_test(
		tc,
		preamble_epilogue_and_blanks_after_a_boundary_are_read_past);
	tcase_add_test(tc, bytes_like_a_boundary_pass_unharmed);
	tcase_add_test(tc,
		       random_bytes_with_the_longest_boundary_pass_unharmed);
	tcase_add_test(tc, content_types_without_a_sane_boundary_are_refused);
	tcase_add_test(tc, missing_closing_boundary_is_refused);
	tcase_add_test(tc, damaged_parts_are_refused);
	tcase_add_test(tc,
		       nul_is_refused_in_text_and_heads_but_not_in_pictures);
	tcase_add_test(tc, head_of_a_part_is_bounded);
	tcase_add_test(tc, names_and_values_are_bounded);
	tcase_add_test(tc, number_of_parts_and_their_text_are_bounded);
	suite_add_tcase(s, tc);
	return s;
}
