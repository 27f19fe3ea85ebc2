/* The raw form, limits, and the meeting of two threads. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "uploadtest.h"

Suite *suite_upload(void);

#define RAW_TYPE "image/jpeg"

/* Stands for a connection: counts the wake-ups. Asking the upload inside the
 * callback would hang if the lock were held. */
struct connection {
	struct upload *u;
	unsigned calls;
	const char *rest; /* fed when woken, if not NULL, to end the body */
};

static void drained(void *ctx)
{
	struct connection *c = ctx;

	c->calls++;
	(void)upload_error(c->u, NULL);
	if (c->rest != NULL) {
		upload_feed(c->u, c->rest, strlen(c->rest));
		upload_finish(c->u);
	}
}

static void connect_to(struct connection *c, const char *type)
{
	memset(c, 0, sizeof(*c));
	c->u = fresh_upload(type, drained, c);
}

/* ---- forms and limits ---- */

START_TEST(raw_body_is_one_picture)
{
	const struct outcome *o = run_text("IMAGE/Jpeg ; q=1", "bytes of it");

	ck_assert_int_eq(o->st, ST_OK);
	ck_assert_uint_eq(o->pictures, 1);
	ck_assert_mem_eq(o->bytes, "bytes of it", 11);
	ck_assert_uint_eq(o->total, 11);
	o = run_text(RAW_TYPE, "");
	ck_assert_int_eq(o->st, ST_OK);
	ck_assert_uint_eq(o->pictures, 0);
}
END_TEST

START_TEST(other_content_types_are_not_a_jpeg)
{
	static const char *const bad[] = {
		"",
		"image/png",
		"application/octet-stream",
		"image/jpegx",
		"text/plain",
		"application/x-www-form-urlencoded",
		"image",
		"; image/jpeg",
		"application/json+x",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct outcome *o = run_text(bad[i], "x");

		ck_assert_msg(o->st == ST_NOT_A_JPEG, "%s", bad[i]);
		ck_assert_int_eq(o->err.status, ST_NOT_A_JPEG);
	}
	ck_assert_int_eq(run_text(NULL, "x")->st, ST_NOT_A_JPEG);
	ck_assert_int_eq(run_text(NULL, "")->st, ST_OK);
}
END_TEST

START_TEST(slot_serves_again_after_a_refused_type)
{
	struct upload *u = fresh_upload(RAW_TYPE, NULL, NULL);
	struct errinfo err;

	err_clear(&err);
	ck_assert_int_eq(upload_begin(u, "text/plain", 10, test_now_us() + 9999,
				      NULL, NULL, &err),
			 ST_NOT_A_JPEG);
	ck_assert_uint_eq(upload_feed(u, "abc", 3), 3);
	upload_finish(u);
	ck_assert_int_eq(upload_drain(u, NULL), ST_NOT_A_JPEG);
	ck_assert_uint_eq(upload_picture_count(u), 0);
	ck_assert_int_eq(run_text(RAW_TYPE, "x")->st, ST_OK);
}
END_TEST

START_TEST(body_past_its_limit_is_refused_wherever_it_is_cut)
{
	static const char body[] = "{\"a\":1}   ";

	for (size_t max = 0; max <= 10; max++) {
		for (size_t cut = 0; cut <= 10; cut++) {
			struct upload *u = fresh_upload(JSON_TYPE, NULL, NULL);
			struct errinfo err;

			err_clear(&err);
			ck_assert_int_eq(upload_begin(u, JSON_TYPE, max,
						      test_now_us() + 60000000,
						      NULL, NULL, NULL),
					 ST_OK);
			ck_assert_uint_eq(upload_feed(u, body, cut), cut);
			ck_assert_uint_eq(upload_feed(u, body + cut, 10 - cut),
					  10 - cut);
			upload_finish(u);
			ck_assert_int_eq(upload_drain(u, &err),
					 max < 10 ? ST_BODY_TOO_LARGE : ST_OK);
			if (max < 10)
				ck_assert_int_eq(err.limit, (int64_t)max);
		}
	}
}
END_TEST

START_TEST(first_error_wins)
{
	struct upload *u = fresh_upload(JSON_TYPE, NULL, NULL);
	struct errinfo err;

	err_clear(&err);
	ck_assert_uint_eq(upload_feed(u, "[", 1), 1);
	ck_assert_uint_eq(upload_feed(u, "more", 4), 4);
	upload_finish(u);
	upload_abort(u, ST_CLIENT_GONE);
	ck_assert_int_eq(upload_error(u, &err), ST_BAD_JSON);
	ck_assert_int_eq(err.status, ST_BAD_JSON);
	ck_assert_int_eq(upload_next_picture(u, NULL), ST_BAD_JSON);
	ck_assert_int_eq(upload_read(u, (uint8_t[1]){ 0 }, 1), -ST_BAD_JSON);
	ck_assert_int_eq(upload_drain(u, NULL), ST_BAD_JSON);
}
END_TEST

START_TEST(the_picture_in_which_a_body_fails_is_known)
{
	static const struct {
		const char *body;
		size_t at;
	} cases[] = {
		{ "{\"images\":[\"AAAA\",\"AAAA\"]}", 0 },
		{ "{\"images\":[\"AAAA\",\"!\"]}", 2 },
		{ "{\"images\":[\"A\",\"AAAA\"]}", 1 },
		{ "{\"image\":\"AAA", 1 },
		{ "{\"image\":\"AAAA\",}", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct upload *u = fresh_upload(JSON_TYPE, NULL, NULL);
		struct errinfo err;
		size_t at = 0;

		upload_feed(u, cases[i].body, strlen(cases[i].body));
		upload_finish(u);
		err_clear(&err);
		ck_assert_int_eq(upload_failure(u, &err, &at), err.status);
		ck_assert_int_eq(err.status, upload_error(u, NULL));
		ck_assert_uint_eq(at, cases[i].at);
	}
}
END_TEST

START_TEST(query_parameters_and_those_of_the_body_are_one_set)
{
	struct upload *u = fresh_upload(JSON_TYPE, NULL, NULL);
	struct errinfo err;

	err_clear(&err);
	ck_assert_int_eq(upload_add_param(u, "q", "1", NULL), ST_OK);
	ck_assert_int_eq(upload_add_param(u, "q", "1", &err), ST_BAD_REQUEST);
	ck_assert_int_eq(upload_add_param(u, "r", "\xff", NULL),
			 ST_BAD_REQUEST);
	ck_assert_uint_eq(upload_feed(u, "{\"b\":2}", 7), 7);
	upload_finish(u);
	ck_assert_int_eq(upload_drain(u, NULL), ST_OK);
	ck_assert_uint_eq(upload_param_count(u), 2);
	ck_assert_str_eq(upload_param(u, "q"), "1");
	ck_assert_str_eq(upload_param(u, "b"), "2");
	ck_assert_ptr_null(upload_param(u, "r"));
	ck_assert_ptr_null(upload_param_name(u, 2));
	u = fresh_upload(JSON_TYPE, NULL, NULL);
	ck_assert_ptr_null(upload_param(u, "q"));
	ck_assert_int_eq(upload_add_param(u, "b", "1", NULL), ST_OK);
	ck_assert_uint_eq(upload_feed(u, "{\"b\":2}", 7), 7);
	upload_finish(u);
	ck_assert_int_eq(upload_drain(u, NULL), ST_BAD_REQUEST);
}
END_TEST

START_TEST(names_that_may_not_come_are_told_before_their_values)
{
	static const char *const names[] = { "ab", "abc", NULL };
	static const struct {
		const char *body;
		enum status st;
	} cases[] = {
		{ "{\"abc\":1,\"ab\":2,\"image\":\"AAAA\"}", ST_OK },
		{ "{\"a\\u0062\":1}", ST_OK },
		{ "{\"a\":[", ST_UNKNOWN_PARAMETER },
		{ "{\"abcd\"", ST_UNKNOWN_PARAMETER },
		{ "{\"\"", ST_UNKNOWN_PARAMETER },
		{ "{\"a\\u0063\":1}", ST_UNKNOWN_PARAMETER },
	};
	struct upload *u = fresh_upload(JSON_TYPE, NULL, NULL);

	upload_expect_params(u, names);
	ck_assert_int_eq(upload_add_param(u, "abc", "1", NULL), ST_OK);
	ck_assert_int_eq(upload_add_param(u, "abcd", "1", NULL),
			 ST_UNKNOWN_PARAMETER);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		u = fresh_upload(JSON_TYPE, NULL, NULL);
		upload_expect_params(u, names);
		upload_feed(u, cases[i].body, strlen(cases[i].body));
		upload_finish(u);
		ck_assert_int_eq(upload_error(u, NULL), cases[i].st);
	}
}
END_TEST

START_TEST(parameter_in_the_middle_of_a_body_is_refused)
{
	struct upload *u = fresh_upload(JSON_TYPE, NULL, NULL);

	ck_assert_uint_eq(upload_feed(u, "{\"b\":", 5), 5);
	ck_assert_int_eq(upload_add_param(u, "q", "1", NULL), ST_INTERNAL);
	ck_assert_uint_eq(upload_feed(u, "2}", 2), 2);
	upload_finish(u);
	ck_assert_int_eq(upload_add_param(u, "q", "1", NULL), ST_OK);
	ck_assert_str_eq(upload_param(u, "b"), "2");
}
END_TEST

START_TEST(unread_rest_of_a_picture_is_skipped)
{
	static const char body[] = "{\"images\":[\"Zm9vYmFy\",\"Zm9vYmE=\","
				   "\"Zm9v\"]}";
	struct upload *u = fresh_upload(JSON_TYPE, NULL, NULL);
	uint8_t buf[8];

	ck_assert(!upload_has_picture(u));
	ck_assert_int_eq(upload_read(u, buf, 8), 0); /* none is open */
	ck_assert_uint_eq(upload_feed(u, body, 15), 15);
	ck_assert(upload_has_picture(u));
	ck_assert_int_eq(upload_next_picture(u, NULL), ST_OK);
	ck_assert_int_eq(upload_read(u, buf, 1), 1);
	ck_assert_uint_eq(upload_feed(u, body + 15, sizeof(body) - 16),
			  sizeof(body) - 16);
	upload_finish(u);
	ck_assert_int_eq(upload_next_picture(u, NULL), ST_OK);
	ck_assert_int_eq(upload_next_picture(u, NULL), ST_OK);
	ck_assert_int_eq(upload_read(u, buf, 8), 3);
	ck_assert_mem_eq(buf, "foo", 3);
	ck_assert_int_eq(upload_read(u, buf, 8), 0);
	ck_assert_int_eq(upload_read(u, buf, 8), 0);
	ck_assert_int_eq(upload_next_picture(u, NULL), ST_END);
	ck_assert_int_eq(upload_read(u, buf, 8), 0);
}
END_TEST

/* ---- back-pressure, one thread ---- */

static uint8_t zeros[2 * UPLOAD_RING_BYTES];
static uint8_t sink[UPLOAD_RING_BYTES];

START_TEST(full_ring_wakes_the_connection_once_when_half_is_free)
{
	struct connection c;

	connect_to(&c, RAW_TYPE);
	ck_assert(!upload_want_room(c.u));
	ck_assert_uint_eq(upload_feed(c.u, zeros, sizeof(zeros)),
			  UPLOAD_RING_BYTES);
	ck_assert_uint_eq(upload_feed(c.u, zeros, 1), 0);
	ck_assert(upload_want_room(c.u));
	ck_assert_int_eq(upload_next_picture(c.u, NULL), ST_OK);
	ck_assert_int_eq(upload_read(c.u, sink, UPLOAD_RING_BYTES / 2 - 1),
			 UPLOAD_RING_BYTES / 2 - 1);
	ck_assert_uint_eq(c.calls, 0);
	ck_assert_int_eq(upload_read(c.u, sink, 1), 1);
	ck_assert_uint_eq(c.calls, 1);
	ck_assert_int_eq(upload_read(c.u, sink, 1000), 1000);
	ck_assert_uint_eq(c.calls, 1);
	/* Room came back before the wish: no call, the caller resumes. */
	ck_assert(!upload_want_room(c.u));
	ck_assert_int_eq(upload_read(c.u, sink, 1000), 1000);
	ck_assert_uint_eq(c.calls, 1);
}
END_TEST

START_TEST(feeding_takes_the_wish_back)
{
	struct connection c;

	connect_to(&c, RAW_TYPE);
	upload_feed(c.u, zeros, sizeof(zeros));
	ck_assert(upload_want_room(c.u));
	ck_assert_uint_eq(upload_feed(c.u, zeros, 1), 0);
	ck_assert_int_eq(upload_next_picture(c.u, NULL), ST_OK);
	ck_assert_int_eq(upload_read(c.u, sink, sizeof(sink)), sizeof(sink));
	ck_assert_uint_eq(c.calls, 0);
}
END_TEST

START_TEST(abort_wakes_the_connection_once)
{
	struct connection c;

	connect_to(&c, RAW_TYPE);
	upload_feed(c.u, zeros, sizeof(zeros));
	ck_assert(upload_want_room(c.u));
	upload_abort(c.u, ST_CORRUPT_JPEG);
	ck_assert_uint_eq(c.calls, 1);
	upload_abort(c.u, ST_CORRUPT_JPEG);
	ck_assert_uint_eq(c.calls, 1);
	ck_assert(!upload_want_room(c.u));
	/* The rest is dropped, so the connection can go on to the answer. */
	ck_assert_uint_eq(upload_feed(c.u, zeros, sizeof(zeros)),
			  sizeof(zeros));
	upload_finish(c.u);
	ck_assert_int_eq(upload_error(c.u, NULL), ST_CORRUPT_JPEG);
	ck_assert_uint_eq(c.calls, 1);
}
END_TEST

START_TEST(skipping_a_picture_wakes_the_connection)
{
	static const char head[] = "--XyZ\r\nContent-Disposition: form-data; "
				   "name=image\r\n\r\n";
	struct connection c;

	connect_to(&c, FORM_TYPE);
	upload_feed(c.u, head, strlen(head));
	ck_assert(!upload_has_picture(c.u));
	ck_assert_uint_lt(upload_feed(c.u, zeros, sizeof(zeros)),
			  sizeof(zeros));
	ck_assert(upload_has_picture(c.u));
	ck_assert(upload_want_room(c.u));
	ck_assert_int_eq(upload_next_picture(c.u, NULL), ST_OK);
	ck_assert_uint_eq(c.calls, 0);
	/* The call has to come before the worker waits for the rest. */
	c.rest = "\r\n--XyZ--";
	ck_assert_int_eq(upload_next_picture(c.u, NULL), ST_END);
	ck_assert_uint_eq(c.calls, 1);
}
END_TEST

/* ---- deadlines and aborts ---- */

static struct upload *due_in(const char *type, int64_t us)
{
	struct upload *u = fresh_upload(type, NULL, NULL);

	ck_assert_int_eq(upload_begin(u, type, 1000,
				      test_now_us() + (uint64_t)us, NULL, NULL,
				      NULL),
			 ST_OK);
	return u;
}

START_TEST(waiting_ends_at_the_deadline)
{
	uint64_t start = test_now_us();
	struct upload *u = due_in(RAW_TYPE, 3000);
	struct errinfo err;

	err_clear(&err);
	ck_assert_int_eq(upload_next_picture(u, &err), ST_TIMEOUT);
	ck_assert_uint_ge(test_now_us() - start, 3000);
	ck_assert_int_eq(err.status, ST_TIMEOUT);
	ck_assert_int_eq(upload_error(u, NULL), ST_TIMEOUT);
	ck_assert_uint_eq(upload_feed(u, "x", 1), 1);
	u = due_in(RAW_TYPE, 3000);
	ck_assert_int_eq(upload_drain(u, NULL), ST_TIMEOUT);
}
END_TEST

START_TEST(reading_ends_at_the_deadline)
{
	struct upload *u = due_in(RAW_TYPE, 50000);
	uint8_t buf[4];

	ck_assert_uint_eq(upload_feed(u, "x", 1), 1);
	ck_assert_int_eq(upload_next_picture(u, NULL), ST_OK);
	ck_assert_int_eq(upload_read(u, buf, 4), 1);
	ck_assert_int_eq(upload_read(u, buf, 4), -ST_TIMEOUT);
}
END_TEST

START_TEST(body_that_trickles_past_the_deadline_is_refused)
{
	struct upload *u = due_in(RAW_TYPE, -1);

	ck_assert_uint_eq(upload_feed(u, "x", 1), 1);
	ck_assert_int_eq(upload_error(u, NULL), ST_TIMEOUT);
	/* What is complete stays complete. */
	u = due_in(RAW_TYPE, 60000000);
	upload_finish(u);
	ck_assert_int_eq(upload_drain(u, NULL), ST_OK);
}
END_TEST

struct waiter {
	struct upload *u;
	int kind;
	int got;
};

static void *wait_for_bytes(void *arg)
{
	struct waiter *w = arg;
	uint8_t buf[16];

	if (w->kind == 0)
		w->got = (int)upload_drain(w->u, NULL);
	else if (w->kind == 1)
		w->got = (int)upload_next_picture(w->u, NULL);
	else
		w->got = -(int)upload_read(w->u, buf, sizeof(buf));
	return NULL;
}

START_TEST(abort_ends_all_waiting)
{
	uint64_t start = test_now_us();

	for (int i = 0; i < 600; i++) {
		struct upload *u = fresh_upload(RAW_TYPE, NULL, NULL);
		struct waiter w = { u, i % 3, 0 };
		pthread_t thread;
		uint8_t buf[1];

		if (w.kind == 2) {
			upload_feed(u, "x", 1);
			ck_assert_int_eq(upload_next_picture(u, NULL), ST_OK);
			ck_assert_int_eq(upload_read(u, buf, 1), 1);
		}
		ck_assert_int_eq(
			pthread_create(&thread, NULL, wait_for_bytes, &w), 0);
		upload_abort(u, ST_CLIENT_GONE);
		pthread_join(thread, NULL);
		ck_assert_int_eq(w.got, ST_CLIENT_GONE);
	}
	/* Far from the deadline of 60 s. */
	ck_assert_uint_lt(test_now_us() - start, 30000000);
}
END_TEST

Suite *suite_upload(void)
{
	Suite *s = suite_create("upload");
	TCase *tc = tcase_create("upload");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, raw_body_is_one_picture);
	tcase_add_test(tc, other_content_types_are_not_a_jpeg);
	tcase_add_test(tc, slot_serves_again_after_a_refused_type);
	tcase_add_test(tc, body_past_its_limit_is_refused_wherever_it_is_cut);
	tcase_add_test(tc, first_error_wins);
	tcase_add_test(tc, the_picture_in_which_a_body_fails_is_known);
	tcase_add_test(tc, query_parameters_and_those_of_the_body_are_one_set);
	tcase_add_test(tc,
		       names_that_may_not_come_are_told_before_their_values);
	tcase_add_test(tc, parameter_in_the_middle_of_a_body_is_refused);
	tcase_add_test(tc, unread_rest_of_a_picture_is_skipped);
	tcase_add_test(tc,
		       full_ring_wakes_the_connection_once_when_half_is_free);
	tcase_add_test(tc, feeding_takes_the_wish_back);
	tcase_add_test(tc, abort_wakes_the_connection_once);
	tcase_add_test(tc, skipping_a_picture_wakes_the_connection);
	tcase_add_test(tc, waiting_ends_at_the_deadline);
	tcase_add_test(tc, reading_ends_at_the_deadline);
	tcase_add_test(tc, body_that_trickles_past_the_deadline_is_refused);
	tcase_add_test(tc, abort_ends_all_waiting);
	suite_add_tcase(s, tc);
	return s;
}
