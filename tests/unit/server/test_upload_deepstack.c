/* Forms as DeepStack's clients send them. */
#include <check.h>
#include <string.h>

#include "uploadtest.h"

Suite *suite_upload_deepstack(void);

#define PLAIN "application/x-www-form-urlencoded"

/* The upload after a whole body, in pieces of `piece` bytes. */
static struct upload *sent(const char *type, const char *body, size_t piece,
			   struct errinfo *err)
{
	struct upload *u = fresh_upload(NULL, NULL, NULL);

	err_clear(err);
	if (upload_expect_form(u, type, err) != ST_OK)
		return u;
	for (size_t n = strlen(body); n > 0;) {
		size_t some = n < piece ? n : piece;

		ck_assert_uint_eq(upload_feed(u, body, some), some);
		body += some;
		n -= some;
	}
	upload_finish(u);
	(void)upload_error(u, err);
	return u;
}

START_TEST(pairs_become_parameters)
{
	struct errinfo err;

	for (size_t piece = 1; piece < 80; piece += 13) {
		struct upload *u = sent(
			PLAIN "; charset=utf-8",
			"userid=Zo%C3%AB+%2B%26%3d&api_key=&x&min=0.5&", piece,
			&err);

		ck_assert_uint_eq(err.status, ST_OK);
		ck_assert_str_eq(upload_param(u, "userid"), "Zo\xc3\xab +&=");
		ck_assert_str_eq(upload_param(u, "api_key"), "");
		ck_assert_str_eq(upload_param(u, "x"), "");
		ck_assert_str_eq(upload_param(u, "min"), "0.5");
		ck_assert_uint_eq(upload_param_count(u), 4);
		ck_assert_uint_eq(upload_next_picture(u, NULL), ST_END);
	}
}
END_TEST

START_TEST(what_is_no_form_is_refused)
{
	static const char *const bad[] = { "a=%",   "a=%1",  "a=%0g",
					   "a=%00", "%zz=1", "a=1&a=2",
					   "=1",    "a=%ff", "a=1&&b=2" };
	struct errinfo err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)sent(PLAIN, bad[i], 100, &err);
		ck_assert_msg(err.status == ST_BAD_REQUEST, "%s", bad[i]);
	}
	(void)sent("text/plain", "", 100, &err);
	ck_assert_uint_eq(err.status, ST_BAD_REQUEST);
	(void)sent("multipart/form-data", "", 100, &err);
	ck_assert_uint_eq(err.status, ST_BAD_REQUEST);
	(void)sent(NULL, "x", 100, &err);
	ck_assert_uint_ne(err.status, ST_OK);
	(void)sent(NULL, "", 100, &err);
	ck_assert_uint_eq(err.status, ST_OK);
}
END_TEST

START_TEST(a_nul_in_the_text_hides_nothing)
{
	struct upload *u = fresh_upload(NULL, NULL, NULL);
	struct errinfo err;

	err_clear(&err);
	ck_assert_uint_eq(upload_expect_form(u, PLAIN, &err), ST_OK);
	ck_assert_uint_eq(upload_feed(u, "a=1\0&b=2", 8), 8);
	upload_finish(u);
	ck_assert_uint_eq(upload_error(u, &err), ST_BAD_REQUEST);
}
END_TEST

START_TEST(parts_with_a_file_name_are_pictures_whatever_they_are_called)
{
	static const char body[] =
		"--XyZ\r\nContent-Disposition: form-data; name=\"image1\"; "
		"filename=\"image1\"\r\n\r\none\r\n"
		"--XyZ\r\nContent-Disposition: form-data; name=\"userid\"\r\n"
		"\r\nme\r\n"
		"--XyZ\r\nContent-Disposition: form-data; name=\"b\"; "
		"filename*=utf-8''%C3%AB.jpg\r\nContent-Type: image/jpeg\r\n"
		"\r\ntwo\r\n"
		"--XyZ\r\nContent-Disposition: form-data; name=\"image\"\r\n"
		"\r\ntext\r\n--XyZ--\r\n";
	struct errinfo err;
	struct upload *u = sent(FORM_TYPE, body, 7, &err);
	uint8_t bytes[8];

	ck_assert_msg(err.status == ST_OK, "%s", err.text);
	ck_assert_uint_eq(upload_picture_count(u), 2);
	ck_assert_uint_eq(upload_next_picture(u, NULL), ST_OK);
	ck_assert_int_eq(upload_read(u, bytes, sizeof bytes), 3);
	ck_assert_mem_eq(bytes, "one", 3);
	ck_assert_uint_eq(upload_next_picture(u, NULL), ST_OK);
	ck_assert_int_eq(upload_read(u, bytes, sizeof bytes), 3);
	ck_assert_mem_eq(bytes, "two", 3);
	ck_assert_uint_eq(upload_next_picture(u, NULL), ST_END);
	ck_assert_str_eq(upload_param(u, "userid"), "me");
	ck_assert_str_eq(upload_param(u, "image"), "text");
	/* And the next request of the slot has its own rule again. */
	u = fresh_upload(FORM_TYPE, NULL, NULL);
	(void)upload_feed(u, body, sizeof body - 1);
	upload_finish(u);
	ck_assert_uint_eq(upload_picture_count(u), 1);
}
END_TEST

Suite *suite_upload_deepstack(void)
{
	Suite *s = suite_create("upload_deepstack");
	TCase *t = tcase_create("upload_deepstack");

	tcase_add_test(t, pairs_become_parameters);
	tcase_add_test(t, what_is_no_form_is_refused);
	tcase_add_test(t, a_nul_in_the_text_hides_nothing);
	tcase_add_test(
		t,
		parts_with_a_file_name_are_pictures_whatever_they_are_called);
	suite_add_tcase(s, t);
	return s;
}
