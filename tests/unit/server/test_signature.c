#include <check.h>
#include <string.h>

#include "replay.h"
#include "signature.h"

#define NOW    1000000
#define WINDOW 30

static struct replay *memory;

static void setup(void)
{
	ck_assert_int_eq(replay_open(WINDOW, NOW - 100, &memory, NULL), ST_OK);
}

static void teardown(void)
{
	replay_close(memory);
}

/* The answer at `now` to request `which` of that time. */
static enum status admit(int64_t now, int64_t time, unsigned which)
{
	uint8_t mac[REPLAY_MAC_BYTES] = { 0 };

	memcpy(mac, &which, sizeof(which));
	return replay_admit(memory, now, time, mac, NULL);
}

START_TEST(each_request_is_taken_once)
{
	ck_assert_int_eq(admit(NOW, NOW, 1), ST_OK);
	ck_assert_int_eq(admit(NOW, NOW, 1), ST_REPLAYED_REQUEST);
	ck_assert_int_eq(admit(NOW, NOW, 2), ST_OK);
	ck_assert_int_eq(admit(NOW + WINDOW - 1, NOW, 1), ST_REPLAYED_REQUEST);
	ck_assert_int_eq(admit(NOW + WINDOW, NOW, 1), ST_STALE_REQUEST);
}
END_TEST

START_TEST(the_window_is_open_from_the_oldest_to_a_little_ahead)
{
	ck_assert_int_eq(admit(NOW, NOW - WINDOW, 1), ST_STALE_REQUEST);
	ck_assert_int_eq(admit(NOW, NOW - WINDOW + 1, 1), ST_OK);
	ck_assert_int_eq(admit(NOW, NOW + REPLAY_AHEAD_S, 1), ST_OK);
	ck_assert_int_eq(admit(NOW, NOW + REPLAY_AHEAD_S + 1, 1),
			 ST_STALE_REQUEST);
}
END_TEST

START_TEST(nothing_of_before_the_start_is_taken)
{
	const int64_t last = NOW + REPLAY_AHEAD_S;

	replay_close(memory);
	ck_assert_int_eq(replay_open(WINDOW, NOW, &memory, NULL), ST_OK);
	ck_assert_int_eq(admit(NOW, last, 1), ST_STALE_REQUEST);
	ck_assert_int_eq(admit(NOW + 1, last + 1, 1), ST_OK);
}
END_TEST

START_TEST(a_clock_put_back_opens_nothing_that_was_closed)
{
	const int64_t years = 10LL * 365 * 86400;

	ck_assert_int_eq(admit(NOW, NOW, 1), ST_OK);
	ck_assert_int_eq(admit(NOW + 600, NOW + 600, 2), ST_OK);
	ck_assert_int_eq(admit(NOW, NOW, 1), ST_STALE_REQUEST);
	ck_assert_int_eq(admit(NOW, NOW, 3), ST_STALE_REQUEST);
	/* It catches up, and goes on. */
	ck_assert_int_eq(admit(NOW + 600, NOW + 600, 2), ST_REPLAYED_REQUEST);
	ck_assert_int_eq(admit(NOW + 601, NOW + 601, 4), ST_OK);
	ck_assert_int_eq(admit(NOW - years, NOW + 602, 5), ST_STALE_REQUEST);
	ck_assert_int_eq(admit(NOW + years, NOW + 602, 5), ST_STALE_REQUEST);
	ck_assert_int_eq(admit(NOW + years, NOW + years, 5), ST_OK);
}
END_TEST

START_TEST(a_flood_makes_the_oldest_too_old_and_replays_nothing)
{
	const unsigned many = 3 * REPLAY_SEEN_MAX;

	for (unsigned i = 0; i < many; i++)
		ck_assert_int_eq(admit(NOW + i / 1000, NOW + i / 1000, i + 1),
				 ST_OK);
	for (unsigned i = 0; i < many; i++)
		ck_assert_int_ne(
			admit(NOW + many / 1000, NOW + i / 1000, i + 1), ST_OK);
	ck_assert_int_eq(admit(NOW + 20, NOW + 20, many + 1), ST_OK);
}
END_TEST

START_TEST(what_is_no_header_of_the_form_is_refused)
{
#define DIGEST                                                                 \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEAD "Facegate-HMAC-SHA256 id=0123abcd, "
	static const char *const bad[] = {
		"Bearer x",
		"Facegate-HMAC-SHA256 ",
		HEAD "time=1, nonce=0123456789abcde, body=" DIGEST
		     ", signature=" DIGEST,
		HEAD "time=-1, nonce=0123456789abcdef, body=" DIGEST
		     ", signature=" DIGEST,
		HEAD "time=1, nonce=0123456789abcde+, body=" DIGEST
		     ", signature=" DIGEST,
		HEAD "time=1, nonce=0123456789abcdef, body=" DIGEST
		     "0, signature=" DIGEST,
		HEAD "time=1, nonce=0123456789abcdef, body=" DIGEST
		     ", signature=" DIGEST "0",
		HEAD "time=1, nonce=0123456789abcdef, body=" DIGEST
		     ", signature=e3b0",
		HEAD "time=1, nonce=0123456789abcdef, body=" DIGEST
	};
	struct signature s;

	ck_assert(signature_parse(HEAD "time=17, nonce=0123456789abcdef, "
				       "body=" DIGEST ", signature=" DIGEST,
				  &s));
	ck_assert_str_eq(s.id, "0123abcd");
	ck_assert_int_eq(s.time_s, 17);
	ck_assert_int_eq(s.body[0], 0xe3);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!signature_parse(bad[i], &s), "%s", bad[i]);
}
END_TEST

#define KEY                                                                    \
	"fg_0123abcd_"                                                         \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Whether the header made for one request fits another. */
static bool fits(const char *header, const char *method, const char *address)
{
	uint8_t key[KEY_HASH_BYTES];
	struct sha256_ctx ctx;
	struct signature s;

	ck_assert(signature_parse(header, &s));
	sha256_init(&ctx);
	sha256_update(&ctx, KEY_TEXT_CHARS, (const uint8_t *)KEY);
	sha256_digest(&ctx, sizeof(key), key);
	sha256_init(&ctx);
	sha256_update(&ctx, strlen(address), (const uint8_t *)address);
	return signature_fits(&s, &ctx, method, key);
}

START_TEST(what_is_made_fits_that_request_alone)
{
	static const char *const no_keys[] = { "", "fg_", KEY "0",
					       "FG_0123abcd_" };
	char text[SIGNATURE_TEXT_BYTES], other[SIGNATURE_TEXT_BYTES];
	struct signature s;

	ck_assert_int_eq(signature_make(KEY, "POST", "/verify?x=1", "", 0,
					999999999999, text, NULL),
			 ST_OK);
	ck_assert(signature_parse(text, &s));
	ck_assert_str_eq(s.id, "0123abcd");
	ck_assert_int_eq(s.time_s, 999999999999);
	ck_assert_int_eq(s.body[0], 0xe3);
	ck_assert(fits(text, "POST", "/verify?x=1"));
	ck_assert(!fits(text, "PUT", "/verify?x=1"));
	ck_assert(!fits(text, "POST", "/verify?x=2"));
	ck_assert_int_eq(signature_make(KEY, "POST", "/verify?x=1", "", 0,
					999999999999, other, NULL),
			 ST_OK);
	ck_assert_str_ne(text, other);
	for (size_t i = 0; i < sizeof(no_keys) / sizeof(no_keys[0]); i++)
		ck_assert_int_eq(signature_make(no_keys[i], "GET", "/", "", 0,
						1, text, NULL),
				 ST_BAD_CONFIG);
}
END_TEST

Suite *suite_signature(void);
Suite *suite_signature(void)
{
	Suite *s = suite_create("signature");
	TCase *t = tcase_create("replay");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, each_request_is_taken_once);
	tcase_add_test(t, the_window_is_open_from_the_oldest_to_a_little_ahead);
	tcase_add_test(t, nothing_of_before_the_start_is_taken);
	tcase_add_test(t, a_clock_put_back_opens_nothing_that_was_closed);
	tcase_add_test(t, a_flood_makes_the_oldest_too_old_and_replays_nothing);
	tcase_add_test(t, what_is_no_header_of_the_form_is_refused);
	tcase_add_test(t, what_is_made_fits_that_request_alone);
	suite_add_tcase(s, t);
	return s;
}
