/* application/json. Each body is run cut at every place, see run_all_cuts. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jsonmembers.h"
#include "uploadtest.h"

Suite *suite_upload_json(void);

static const struct outcome *refused(const char *body, enum status st,
				     const char *word)
{
	const struct outcome *o = run_text(JSON_TYPE, body);

	ck_assert_msg(o->st == st, "%s for: %s", status_code(o->st), body);
	ck_assert_msg(strstr(o->err.text, word) != NULL, "\"%s\" for: %s",
		      o->err.text, body);
	return o;
}

static const struct outcome *taken(const char *body)
{
	const struct outcome *o = run_text(JSON_TYPE, body);

	ck_assert_msg(o->st == ST_OK, "%s for: %s", o->err.text, body);
	return o;
}

static void check_picture(const char *body, const char *bytes)
{
	const struct outcome *o = taken(body);

	ck_assert_uint_eq(o->pictures, 1);
	ck_assert_uint_eq(o->total, strlen(bytes));
	if (o->total > 0)
		ck_assert_mem_eq(o->bytes, bytes, o->total);
}

START_TEST(members_become_parameters)
{
	const struct outcome *o = taken(
		" {\"person_id\" : \"p-17\",\n\"s\":\"\\u00e9\\n\\\"image\\\":"
		"\\/{[\",\"i\":-12,\"big\":9223372036854775807,\"r\":0.43,"
		"\"e\":1e5,\"f\":0.1234567890123456,\"t\":true,\"u\":false,"
		"\"empty\":\"\",\"imagess\":\"x\",\"imag\":\"y\"}\r\n ");

	ck_assert_str_eq(o->text, "person_id=p-17\ns=\xc3\xa9\n\"image\":/{[\n"
				  "i=-12\nbig=9223372036854775807\nr=0.43\n"
				  "e=100000\nf=0.1234567890123456\nt=true\n"
				  "u=false\nempty=\nimagess=x\nimag=y\n");
	ck_assert_uint_eq(o->pictures, 0);
	ck_assert_uint_eq(taken("{}")->params, 0);
}
END_TEST

START_TEST(image_is_decoded)
{
	const struct outcome *o = taken(
		"{\"a\":1,\"image\":\"Zm9vYmE=\",\"b\":\"2\"}");

	ck_assert_str_eq(o->text, "a=1\nb=2\n");
	ck_assert_uint_eq(o->pictures, 1);
	ck_assert_uint_eq(o->total, 5);
	ck_assert_mem_eq(o->bytes, "fooba", 5);
	check_picture("{\"image\":\"\"}", "");
	check_picture("{\"image\" : \"Zg==\"}", "f");
}
END_TEST

START_TEST(images_are_decoded_one_by_one)
{
	const struct outcome *o = taken(
		"{\"images\": [ \"Zm9v\" ,\n\"\",\"Zg==\""
		"], \"a\":\"b\"}");

	ck_assert_str_eq(o->text, "a=b\n");
	ck_assert_uint_eq(o->pictures, 3);
	ck_assert_uint_eq(o->length[0], 3);
	ck_assert_uint_eq(o->length[1], 0);
	ck_assert_uint_eq(o->length[2], 1);
	ck_assert_mem_eq(o->bytes, "foof", 4);
	ck_assert_uint_eq(taken("{\"images\":[]}")->pictures, 0);
}
END_TEST

START_TEST(escapes_inside_base64_are_resolved)
{
	check_picture("{\"image\":\"\\/9j\\/4Q==\"}", "\xff\xd8\xff\xe1");
	check_picture("{\"image\":\"\\u002f\\u0039j\\u002F4Q=\\u003d\"}",
		      "\xff\xd8\xff\xe1");
}
END_TEST

START_TEST(data_address_of_a_jpeg_is_taken)
{
	check_picture("{\"image\":\"data:image/jpeg;base64,Zm9v\"}", "foo");
	check_picture("{\"image\":\"data:image\\/jpeg;base64,Zm\\u0039v\"}",
		      "foo");
	check_picture("{\"image\":\"data:image/jpeg;base64,\"}", "");
	/* These letters are base64 too. */
	check_picture("{\"image\":\"data\"}", "\x75\xab\x5a");
	check_picture("{\"image\":\"datadata\"}", "\x75\xab\x5a\x75\xab\x5a");
	check_picture("{\"image\":\"daA=\"}", "\x75\xa0");
}
END_TEST

START_TEST(bad_base64_is_named)
{
	static const char *const bad[] = {
		"A",
		"AA",
		"AAAAA",
		"AA=",
		"AA==AAAA",
		"AA AA",
		"AA\\nAA",
		"AA\\\"A",
		"AA\\\\A",
		"AA-_",
		"AAAA=",
		"=",
		"AAA\\u00e9",
		"\xc3\xa9",
		"AAA\\u0000",
		"AB==",
		"dat",
		"data:",
		"data:image/png;base64,AAAA",
		"data:image/jpeg;base64",
		"data:,AAAA",
		"data:image/jpeg;base64,A",
	};
	char body[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(body, sizeof(body), "{\"image\":\"%s\"}", bad[i]);
		refused(body, ST_BAD_REQUEST, "image ");
		snprintf(body, sizeof(body), "{\"images\":[\"AAAA\",\"%s\"]}",
			 bad[i]);
		ck_assert_int_eq(
			refused(body, ST_BAD_REQUEST, "images[1] ")->err.found,
			1);
	}
}
END_TEST

static const char *const invalid_json[] = {
	"",
	" ",
	"x",
	"1",
	"null",
	"\"image\"",
	"[]",
	"[{}]",
	"\xef\xbb\xbf{}",
	"{",
	"{\"",
	"{\"a",
	"{\"a\"",
	"{\"a\":",
	"{\"a\":1",
	"{\"a\":1,",
	"{\"a\":1,}",
	"{,}",
	"{a:1}",
	"{'a':1}",
	"{\"a\" 1}",
	"{\"a\":1 \"b\":2}",
	"{\"a\":01}",
	"{\"a\":+1}",
	"{\"a\":.5}",
	"{\"a\":NaN}",
	"{\"a\":tru}",
	"{\"a\":1}x",
	"{\"a\":1}{}",
	"{}}",
	"{]",
	"{\"a\":\"\n\"}",
	"{\"a\":\"\\x\"}",
	"{\"a\":\"\\u12\"}",
	"{\"a\":\"\\ud800\"}",
	"{\"a\":1,\"a\":2}",
	"{\"a\":1,\"\\u0061\":2}",
	"{\"a\":\"\\u0000\"}",
	"{\"\\u0000\":1}",
	"{\"a\":1e999}",
	"{\"a\":123456789012345678901}",
	"{\"a\":\"\xff\"}",
	"{\"a\":\"\xc0\x80\"}",
	"{\"a\":\"\xed\xa0\x80\"}",
	"{\"a\":null}",
	"{\"a\":{}}",
	"{\"a\":[]}",
	"{\"a\":[1]}",
	"{\"a\":{\"image\":\"AAAA\"}}",
	"{\"image\":1}",
	"{\"image\":null}",
	"{\"image\":[\"AAAA\"]}",
	"{\"image\":{}}",
	"{\"images\":\"AAAA\"}",
	"{\"images\":1}",
	"{\"images\":[1]}",
	"{\"images\":[[\"AAAA\"]]}",
	"{\"images\":[{}]}",
	"{\"images\":[\"AAAA\"}",
	"{\"images\":[\"AAAA\",]}",
	"{\"images\":[\"AAAA\" \"AAAA\"]}",
	"{\"images\":[null]}",
	"{\"images\":[\"AAAA\"",
	"{\"image\":",
	"{\"image\":\"AAAA",
	"{\"image\":\"AAAA\"",
	"{\"image\"}",
	"{\"image\" \"AAAA\"}",
	"{\"image\":x\"AAAA\"}",
	"{\"image\":\"AAAA\"\"AAAA\"}",
	"{\"image\"::\"AAAA\"}",
	"{\"image\":,\"AAAA\"}",
	"{\"image\",:\"AAAA\"}",
	"{\"image\":\"AAAA\",\"image\":\"AAAA\"}",
	"{\"images\":[],\"images\":[]}",
	"{\"im\\u0061ge\":\"AAAA\"}",
	"{\"\\u0069mages\":[\"AAAA\"]}",
	"{\"im\\u0061ge\":\"A\",\"images\":[]}",
	"{\"image\":\"AA\\xAA\"}",
	"{\"image\":\"AA\\u00g1\"}",
	"{\"image\":\"AA\nAA\"}",
	"{\"image\":\"AAAA\",}",
};

START_TEST(invalid_json_is_refused)
{
	for (size_t i = 0; i < sizeof(invalid_json) / sizeof(invalid_json[0]);
	     i++)
		refused(invalid_json[i], ST_BAD_JSON, "");
}
END_TEST

START_TEST(image_and_images_together_are_refused)
{
	refused("{\"image\":\"AAAA\",\"images\":[\"AAAA\"]}", ST_BAD_REQUEST,
		"not both");
	refused("{\"images\":[],\"image\":\"AAAA\"}", ST_BAD_REQUEST,
		"not both");
}
END_TEST

START_TEST(nul_byte_is_refused)
{
	static const char a[] = "{\"a\":\"x\0y\"}", b[] = "{\"a\":1\0}";
	static const char c[] = "{\"a\":1}\0", d[] = "{\"image\":\"AA\0AA\"}";

	ck_assert_int_eq(run_all_cuts(JSON_TYPE, a, sizeof(a) - 1)->st,
			 ST_BAD_JSON);
	ck_assert_int_eq(run_all_cuts(JSON_TYPE, b, sizeof(b) - 1)->st,
			 ST_BAD_JSON);
	ck_assert_int_eq(run_all_cuts(JSON_TYPE, c, sizeof(c) - 1)->st,
			 ST_BAD_JSON);
	ck_assert_int_eq(run_all_cuts(JSON_TYPE, d, sizeof(d) - 1)->st,
			 ST_BAD_JSON);
}
END_TEST

START_TEST(depth_2000_is_refused)
{
	char body[2100] = "{\"a\":";

	memset(body + 5, '[', 2000);
	body[2005] = '\0';
	ck_assert_int_eq(run_whole(JSON_TYPE, body, 2005)->st, ST_BAD_JSON);
	memset(body, '{', 2000);
	ck_assert_int_eq(run_whole(JSON_TYPE, body, 2000)->st, ST_BAD_JSON);
}
END_TEST

/* A body with one value of n bytes. */
static const struct outcome *value_of(size_t n, char fill)
{
	static char body[20000];
	size_t len = (size_t)snprintf(body, sizeof(body), "{\"a\":\"");

	memset(body + len, fill, n);
	len += n;
	len += (size_t)snprintf(body + len, sizeof(body) - len, "\"}");
	return run_whole(JSON_TYPE, body, len);
}

static const struct outcome *many(size_t count, bool images)
{
	static char body[4000];
	size_t len = (size_t)snprintf(body, sizeof(body), "{%s",
				      images ? "\"images\":[" : "");

	for (size_t i = 0; i < count; i++) {
		if (images)
			len += (size_t)snprintf(body + len, sizeof(body) - len,
						"%s\"AAAA\"", i ? "," : "");
		else
			len += (size_t)snprintf(body + len, sizeof(body) - len,
						"%s\"p%zu\":%zu", i ? "," : "",
						i, i);
	}
	len += (size_t)snprintf(body + len, sizeof(body) - len, "%s}",
				images ? "]" : "");
	return run_whole(JSON_TYPE, body, len);
}

START_TEST(text_members_and_pictures_are_bounded)
{
	const struct outcome *o;

	ck_assert_int_eq(value_of(4096, 'v')->st, ST_OK);
	o = value_of(4097, 'v');
	ck_assert_int_eq(o->st, ST_BAD_REQUEST);
	ck_assert_int_eq(o->err.limit, 4096);
	o = value_of(17000, 'v');
	ck_assert_int_eq(o->st, ST_BAD_REQUEST);
	ck_assert_int_eq(o->err.limit, UPLOAD_TEXT_BYTES);
	ck_assert_uint_eq(many(UPLOAD_PARAMS_MAX, false)->params,
			  UPLOAD_PARAMS_MAX);
	ck_assert_int_eq(many(UPLOAD_PARAMS_MAX + 1, false)->st,
			 ST_BAD_REQUEST);
	ck_assert_int_eq(many(UPLOAD_PARAMS_MAX + 100, false)->st,
			 ST_BAD_REQUEST);
	ck_assert_uint_eq(many(UPLOAD_PICTURES_MAX, true)->pictures,
			  UPLOAD_PICTURES_MAX);
	o = many(UPLOAD_PICTURES_MAX + 1, true);
	ck_assert_int_eq(o->st, ST_BAD_REQUEST);
	ck_assert_int_eq(o->err.limit, UPLOAD_PICTURES_MAX);
}
END_TEST

START_TEST(large_random_picture_is_decoded)
{
	static uint8_t bytes[30000];
	static char body[60000];
	uint64_t seed = 3;
	size_t n;
	const struct outcome *o;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)test_random(&seed);
	n = (size_t)snprintf(body, sizeof(body), "{\"image\":\"");
	n += test_base64(bytes, sizeof(bytes), body + n);
	n += (size_t)snprintf(body + n, sizeof(body) - n, "\",\"a\":1}");
	o = run_all_cuts("application/json; charset=utf-8", body, n);
	ck_assert_msg(o->st == ST_OK, "%s", o->err.text);
	ck_assert_uint_eq(o->total, sizeof(bytes));
	ck_assert_mem_eq(o->bytes, bytes, sizeof(bytes));
	ck_assert_str_eq(o->text, "a=1\n");
}
END_TEST

static unsigned allocations_left;

static void *failing_malloc(size_t n)
{
	if (allocations_left == 0)
		return NULL;
	allocations_left--;
	return malloc(n);
}

START_TEST(failing_allocation_is_reported)
{
	static const char body[] = "{\"person_id\":\"p-17\",\"n\":1.5,\"i\":3,"
				   "\"images\":[\"AAAA\",\"AAAA\"],\"t\":true}";
	unsigned failed = 0;
	const struct outcome *o;

	ck_assert_int_eq(run_whole(JSON_TYPE, "{}", 2)->st, ST_OK);
	jsonmembers_init(failing_malloc);
	do {
		allocations_left = failed;
		o = run_whole(JSON_TYPE, body, sizeof(body) - 1);
		if (o->st != ST_OK)
			ck_assert_msg(o->st == ST_NO_MEMORY, "%u: %s", failed,
				      o->err.text);
		else
			ck_assert_uint_eq(o->params, 4);
		failed++;
	} while (o->st != ST_OK);
	jsonmembers_init(malloc);
	ck_assert_uint_gt(failed, 10);
}
END_TEST

Suite *suite_upload_json(void)
{
	Suite *s = suite_create("upload_json");
	TCase *tc = tcase_create("json");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, members_become_parameters);
	tcase_add_test(tc, image_is_decoded);
	tcase_add_test(tc, images_are_decoded_one_by_one);
	tcase_add_test(tc, escapes_inside_base64_are_resolved);
	tcase_add_test(tc, data_address_of_a_jpeg_is_taken);
	tcase_add_test(tc, bad_base64_is_named);
	tcase_add_test(tc, invalid_json_is_refused);
	tcase_add_test(tc, image_and_images_together_are_refused);
	tcase_add_test(tc, nul_byte_is_refused);
	tcase_add_test(tc, depth_2000_is_refused);
	tcase_add_test(tc, text_members_and_pictures_are_bounded);
	tcase_add_test(tc, failing_allocation_is_reported);
	tcase_add_test(tc, large_random_picture_is_decoded);
	suite_add_tcase(s, tc);
	return s;
}
