/* Two threads with large bodies, and broken bodies by the thousand. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "uploadtest.h"

Suite *suite_upload_stress(void);

/* ---- two threads ---- */

#define PICTURES      3
#define PICTURE_BYTES (1 << 20)

/* The network thread is the test itself; it sleeps on woken where the daemon
 * would suspend the connection. */
struct transfer {
	struct upload *u;
	sem_t woken;
	unsigned calls;
	size_t leave; /* the worker stops reading a picture after so many */
	size_t cap;   /* most bytes it asks for at once */
	size_t pictures;
	size_t read[PICTURES];
	bool wrong;
	enum status st;
};

static uint8_t pictures[PICTURES][PICTURE_BYTES];

static void drained(void *ctx)
{
	struct transfer *t = ctx;

	t->calls++;
	sem_post(&t->woken);
}

static void *read_all(void *arg)
{
	static uint8_t buf[8192];
	struct transfer *t = arg;
	uint64_t seed = 7;
	ssize_t got;

	while ((t->st = upload_next_picture(t->u, NULL)) == ST_OK) {
		size_t *n = &t->read[t->pictures];

		do {
			uint32_t r = test_random(&seed);

			if (r % 4 == 0)
				sched_yield();
			got = upload_read(t->u, buf, 1 + r % t->cap);
			if (got < 0 || *n + (size_t)got > PICTURE_BYTES) {
				t->wrong = true;
				break;
			}
			if (memcmp(buf, pictures[t->pictures] + *n,
				   (size_t)got) != 0)
				t->wrong = true;
			*n += (size_t)got;
		} while (got > 0 && *n < t->leave);
		t->pictures++;
	}
	return NULL;
}

/* Feeds as the daemon does. Returns how often it was suspended. */
static unsigned feed_all(struct transfer *t, const uint8_t *body, size_t n,
			 size_t piece)
{
	struct timespec until;
	unsigned waits = 0;
	size_t size;

	for (size_t i = 0; i < n;) {
		size = n - i < piece ? n - i : piece;
		i += upload_feed(t->u, body + i, size);
		if (upload_error(t->u, NULL) != ST_OK || i == n ||
		    !upload_want_room(t->u))
			continue;
		waits++;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 20;
		ck_assert_msg(sem_timedwait(&t->woken, &until) == 0,
			      "the wake-up was lost");
	}
	upload_finish(t->u);
	return waits;
}

static size_t put(char *out, const char *text)
{
	size_t n = strlen(text);

	memcpy(out, text, n);
	return n;
}

static size_t make_body(int form, uint8_t *out, const char **type)
{
	char *o = (char *)out;
	size_t n = 0;

	if (form == 0) {
		*type = "image/jpeg";
		memcpy(out, pictures[0], PICTURE_BYTES);
		return PICTURE_BYTES;
	}
	*type = form == 1 ? FORM_TYPE : JSON_TYPE;
	if (form == 2)
		n += put(o, "{\"images\":[");
	for (int i = 0; i < PICTURES; i++) {
		if (form == 1) {
			n += put(o + n, "--XyZ\r\nContent-Disposition: "
					"form-data; name=\"image\"; "
					"filename=\"x\"\r\n\r\n");
			memcpy(o + n, pictures[i], PICTURE_BYTES);
			n += PICTURE_BYTES;
			n += put(o + n, "\r\n");
		} else {
			n += put(o + n, i ? ",\"" : "\"");
			n += test_base64(pictures[i], PICTURE_BYTES, o + n);
			n += put(o + n, "\"");
		}
	}
	if (form == 1)
		n += put(o + n, "--XyZ\r\nContent-Disposition: form-data; "
				"name=\"late\"\r\n\r\nv\r\n--XyZ--\r\n");
	else
		n += put(o + n, "],\"late\":\"v\"}");
	return n;
}

/* One transfer; the worker reads all when leave is SIZE_MAX. */
static void transfer(int form, size_t piece, size_t cap, size_t leave)
{
	uint8_t *body = malloc(2 * PICTURES * (size_t)PICTURE_BYTES);
	struct transfer t = { .leave = leave, .cap = cap };
	size_t n, count = form == 0 ? 1 : PICTURES;
	const char *type;
	pthread_t worker;
	unsigned waits;

	ck_assert_ptr_nonnull(body);
	sem_init(&t.woken, 0, 0);
	n = make_body(form, body, &type);
	t.u = fresh_upload(type, drained, &t);
	ck_assert_int_eq(pthread_create(&worker, NULL, read_all, &t), 0);
	waits = feed_all(&t, body, n, piece);
	pthread_join(worker, NULL);
	free(body);
	ck_assert_int_eq(t.st, ST_END);
	ck_assert(!t.wrong);
	ck_assert_uint_eq(t.pictures, count);
	for (size_t i = 0; i < count; i++) {
		ck_assert_uint_ge(t.read[i], leave < PICTURE_BYTES
						     ? leave
						     : PICTURE_BYTES);
		ck_assert_uint_le(t.read[i], PICTURE_BYTES);
	}
	if (form != 0)
		ck_assert_str_eq(upload_param(t.u, "late"), "v");
	ck_assert_uint_eq(t.calls, waits);
	ck_assert_int_ne(sem_trywait(&t.woken), 0);
	sem_destroy(&t.woken);
}

static void make_pictures(void)
{
	static const char mark[] = "\r\n--Xy";
	uint64_t seed = 11;

	for (size_t p = 0; p < PICTURES; p++) {
		for (size_t i = 0; i < PICTURE_BYTES; i++)
			pictures[p][i] = (uint8_t)test_random(&seed);
		/* Many a delimiter that is broken off. */
		for (size_t i = 0; i + 200 < PICTURE_BYTES;
		     i += 8 + test_random(&seed) % 150) {
			size_t len = 1 + test_random(&seed) % 6;

			memcpy(pictures[p] + i, mark, len);
			if (pictures[p][i + len] == 'Z')
				pictures[p][i + len] = 'z';
		}
	}
}

START_TEST(large_pictures_pass_between_two_threads)
{
	static const size_t pieces[] = { 1, 700, 16384, 300000 };
	int form = _i / 4;

	make_pictures();
	/* Single bytes are for the small reads only: it is slow. */
	transfer(form, pieces[_i % 4], _i % 4 == 0 ? 8192 : 97, SIZE_MAX);
	if (_i % 4 != 0)
		transfer(form, pieces[_i % 4], 8192, SIZE_MAX);
}
END_TEST

START_TEST(worker_that_leaves_pictures_early_blocks_nobody)
{
	make_pictures();
	transfer(_i, 16384, 4096, 1);
	transfer(_i, 16384, 4096, 100000);
}
END_TEST

static void *abort_soon(void *arg)
{
	struct transfer *t = arg;
	uint8_t buf[1000];

	if (upload_next_picture(t->u, NULL) == ST_OK)
		(void)upload_read(t->u, buf, sizeof(buf));
	upload_abort(t->u, ST_CORRUPT_JPEG);
	return NULL;
}

START_TEST(worker_that_aborts_frees_the_connection)
{
	uint8_t *body = malloc(2 * PICTURES * (size_t)PICTURE_BYTES);
	const char *type;
	size_t n;

	ck_assert_ptr_nonnull(body);
	make_pictures();
	n = make_body(1, body, &type);
	for (int i = 0; i < 50; i++) {
		struct transfer t = { .cap = 1 };
		pthread_t worker;
		unsigned waits;

		sem_init(&t.woken, 0, 0);
		t.u = fresh_upload(type, drained, &t);
		ck_assert_int_eq(pthread_create(&worker, NULL, abort_soon, &t),
				 0);
		waits = feed_all(&t, body, n, 16384);
		pthread_join(worker, NULL);
		ck_assert_uint_eq(t.calls, waits);
		ck_assert_int_eq(upload_error(t.u, NULL), ST_CORRUPT_JPEG);
		sem_destroy(&t.woken);
	}
	free(body);
}
END_TEST

/* ---- broken bodies ---- */

static const char *const samples[][2] = {
	{ JSON_TYPE,
	  "{\"person_id\":\"p-1\",\"images\":[\"\\/9j\\u002f4Q==\",\"data:image"
	  "/jpeg;base64,Zm9v\"],\"n\":1.5,\"s\":\"\\u00e9\\n\\\"\",\"t\":"
	  "true}" },
	{ JSON_TYPE, "{\"image\":\"datadatadata\",\"a\":\"b\",\"c\":-7}" },
	{ FORM_TYPE,
	  "--XyZ\r\nContent-Disposition: form-data; name=\"image\"; "
	  "filename=\"../x\\\"y.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
	  "ab\r\n--Xycd\r\n\r\n--XyZ\r\nContent-Disposition: form-data; "
	  "name=person_id\r\n\r\np-17\r\n--XyZ\r\ncontent-disposition:form-data"
	  ";name=image\r\n\r\n\r\n--XyZ--\r\n" },
};

static const char splinters[][14] = {
	"\r\n",	   "--XyZ",    "\r\n--XyZ--", "\"",    "\\",   "\\u00",
	"{",	   "}",	       "[",	      "]",     ":",    ",",
	"\"image", "=",	       "\r\n\r\n",    "data:", "null", "1e999",
	"\xff",	   "\xc3\xa9", "name=\"",     ";",     "-",    "base64",
};

static size_t mutate(uint8_t *body, size_t n, size_t cap, uint64_t *seed)
{
	uint32_t times = 1 + test_random(seed) % 4;

	while (times-- > 0 && n > 0) {
		size_t at = test_random(seed) % n;
		size_t len = 1 + test_random(seed) % 20;
		const char *s =
			splinters[test_random(seed) %
				  (sizeof(splinters) / sizeof(splinters[0]))];

		switch (test_random(seed) % 5) {
		case 0: /* flip a bit */
			body[at] ^= (uint8_t)(1U << test_random(seed) % 8);
			break;
		case 1: /* any byte */
			body[at] = (uint8_t)test_random(seed);
			break;
		case 2: /* lose some */
			len = len < n - at ? len : n - at;
			memmove(body + at, body + at + len, n - at - len);
			n -= len;
			break;
		case 3: /* say some twice */
			len = len < n - at ? len : n - at;
			if (n + len > cap)
				break;
			memmove(body + at + len, body + at, n - at);
			n += len;
			break;
		default: /* put in something that has a meaning */
			len = strlen(s);
			if (n + len > cap)
				break;
			memmove(body + at + len, body + at, n - at);
			memcpy(body + at, s, len);
			n += len;
			break;
		}
	}
	return n;
}

static size_t cut_small(void *ctx, size_t left)
{
	size_t piece = 1 + test_random(ctx) % 40;

	return piece < left ? piece : left;
}

START_TEST(broken_bodies_end_the_same_however_they_are_cut)
{
	static uint8_t body[2000];
	uint64_t seed = 20240501;
	unsigned good = 0, bad = 0;

	for (int i = 0; i < 20000; i++) {
		const char *const *sample = samples[i % 3];
		const struct outcome *a, *b;
		size_t n = strlen(sample[1]);

		memcpy(body, sample[1], n);
		n = mutate(body, n, sizeof(body), &seed);
		a = run_whole(sample[0], body, n);
		b = run_cut(sample[0], body, n, cut_small, &seed);
		check_same(a, b);
		if (a->st == ST_OK)
			good++;
		else
			bad++;
	}
	/* Both sorts have to occur, or the test says little. */
	ck_assert_uint_gt(good, 1000);
	ck_assert_uint_gt(bad, 5000);
}
END_TEST

Suite *suite_upload_stress(void)
{
	Suite *s = suite_create("upload_stress");
	TCase *tc = tcase_create("two_threads");

	tcase_set_timeout(tc, 100);
	tcase_add_loop_test(tc, large_pictures_pass_between_two_threads, 0, 12);
	tcase_add_loop_test(tc, worker_that_leaves_pictures_early_blocks_nobody,
			    0, 3);
	tcase_add_test(tc, worker_that_aborts_frees_the_connection);
	suite_add_tcase(s, tc);
	tc = tcase_create("broken_bodies");
	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, broken_bodies_end_the_same_however_they_are_cut);
	suite_add_tcase(s, tc);
	return s;
}
