/* Pictures that are damaged, too large, unsupported or none at all. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "jpegtest.h"

START_TEST(limits_are_checked_from_the_header)
{
	struct made m = make(photo);
	struct jpeg_limits narrow = { 639, 50000000, 64, false };
	struct jpeg_limits few = { 8192, 640 * 480 - 1, 64, false };

	ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX, 0, &narrow),
			  ST_PICTURE_TOO_LARGE);
	ck_assert_int_eq(err.found, 640);
	ck_assert_int_eq(err.limit, 639);
	ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX, 0, &few),
			  ST_PICTURE_TOO_LARGE);
	free(m.p);
}
END_TEST

static uint8_t *find_sof(struct made m)
{
	for (unsigned long i = 0; i + 9 < m.n; i++)
		if (m.p[i] == 0xff &&
		    (m.p[i + 1] == 0xc0 || m.p[i + 1] == 0xc2))
			return m.p + i;
	ck_abort_msg("no frame header");
	return NULL;
}

START_TEST(claimed_sizes_cost_nothing)
{
	struct made m = make(photo);
	uint8_t *sof = find_sof(m);

	memset(sof + 5, 0xff, 4); /* 65535 x 65535 */
	ck_assert_uint_eq(decode(m.p, m.n), ST_PICTURE_TOO_LARGE);
	memset(sof + 5, 0, 4);
	ck_assert_uint_eq(decode(m.p, m.n), ST_CORRUPT_JPEG);
	ck_assert_uint_lt(pool.peak, 1u << 16);
	free(m.p);
}
END_TEST

START_TEST(unsupported_features_are_named)
{
	static const struct {
		uint8_t marker, precision;
		const char *word;
	} cases[] = { { 0xc0, 12, "8 bits" },
		      { 0xc3, 8, "lossless" },
		      { 0xc5, 8, "lossless" },
		      { 0xc9, 8, "arithmetic" },
		      { 0xca, 8, "arithmetic" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct made m = make(photo);
		uint8_t *sof = find_sof(m);

		sof[1] = cases[i].marker;
		sof[4] = cases[i].precision;
		ck_assert_msg(decode(m.p, m.n) == ST_UNSUPPORTED_JPEG,
			      "case %zu: %s", i, err.text);
		ck_assert_ptr_nonnull(strstr(err.text, cases[i].word));
		free(m.p);
	}
}
END_TEST

START_TEST(what_is_no_jpeg_says_so)
{
	static const uint8_t png[] = { 0x89, 'P', 'N', 'G', 13, 10, 26, 10 };
	static const uint8_t soi_eoi[] = { 0xff, 0xd8, 0xff, 0xd9 };

	ck_assert_uint_eq(decode(png, sizeof(png)), ST_NOT_A_JPEG);
	ck_assert_uint_eq(decode(soi_eoi, 4), ST_CORRUPT_JPEG);
	ck_assert_uint_eq(decode(soi_eoi, 2), ST_CORRUPT_JPEG);
	ck_assert_uint_eq(decode(soi_eoi, 0), ST_BAD_REQUEST);
}
END_TEST

static ssize_t gone(void *ctx, uint8_t *buf, size_t cap)
{
	(void)ctx;
	(void)buf;
	(void)cap;
	return -(ssize_t)ST_CLIENT_GONE;
}

START_TEST(a_source_that_fails_is_reported_as_it_failed)
{
	struct byte_source src = { gone, NULL };

	err_clear(&err);
	ck_assert_uint_eq(jpeg_decode(decoder, &pool, 0, 1600, &usual, &src,
				      &img, &info, &err),
			  ST_CLIENT_GONE);
}
END_TEST

START_TEST(a_truncated_picture_is_refused_and_the_next_one_is_fine)
{
	for (int p = 0; p < 2; p++) {
		struct recipe r = photo;
		struct made m;

		r.width = 160;
		r.height = 120;
		r.progressive = p;
		m = make(r);
		/* The last bytes may be padding that no pixel needs. */
		for (unsigned long n = 2; n + 24 < m.n; n += 97) {
			ck_assert_msg(decode(m.p, n) == ST_CORRUPT_JPEG,
				      "%lu bytes: %s", n, err.text);
		}
		ck_assert_uint_eq(decode(m.p, m.n), ST_OK);
		free(m.p);
	}
}
END_TEST

START_TEST(flipped_bytes_never_crash_or_leave_the_arena_changed)
{
	for (int k = 0; k < 2000; k++) {
		struct recipe r = photo;
		struct made m;
		uint8_t *copy;

		if (k % 500 == 0) {
			r.width = 200;
			r.height = 150;
			r.progressive = k % 1000 != 0;
		}
		r.width = 120;
		r.height = 90;
		r.progressive = k & 1;
		m = make(r);
		copy = malloc(m.n);
		memcpy(copy, m.p, m.n);
		for (uint32_t f = 0; f < 1 + rnd() % 6; f++)
			copy[rnd() % m.n] ^= (uint8_t)(1u << rnd() % 8);
		decode(copy, m.n);
		free(copy);
		if (k % 100 == 0)
			ck_assert_uint_eq(decode(m.p, m.n), ST_OK);
		free(m.p);
	}
}
END_TEST

START_TEST(stray_bytes_pass_unless_strict)
{
	struct made m = make(photo);
	static const uint8_t stray[] = { 0, 0, 0 };
	struct jpeg_limits strict = usual;
	struct made t;

	/* Between two segments, where a webcam's padding sits: after APP0. */
	t.n = m.n + 3;
	t.p = malloc(t.n);
	memcpy(t.p, m.p, 20);
	memcpy(t.p + 20, stray, 3);
	memcpy(t.p + 23, m.p + 20, m.n - 20);
	ck_assert_msg(decode(t.p, t.n) == ST_OK, "%s", err.text);
	ck_assert_uint_eq(info.warnings, 1);
	strict.strict = true;
	ck_assert_uint_eq(decode_with(t.p, t.n, SIZE_MAX, 0, &strict),
			  ST_CORRUPT_JPEG);
	free(t.p);
	free(m.p);
}
END_TEST

START_TEST(scans_beyond_the_limit_are_refused)
{
	struct recipe r = photo;
	struct made m;
	struct jpeg_limits few = usual;

	r.progressive = true;
	m = make(r);
	few.max_scans = 3;
	ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX, 0, &few),
			  ST_CORRUPT_JPEG);
	ck_assert_int_eq(err.limit, 3);
	ck_assert_uint_eq(decode(m.p, m.n), ST_OK);
	free(m.p);
}
END_TEST

Suite *suite_jpeg_bad(void)
{
	Suite *s = suite_create("jpeg_bad");
	TCase *t = tcase_create("jpeg_bad");

	tcase_add_checked_fixture(t, jpegtest_open, jpegtest_close);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, limits_are_checked_from_the_header);
	tcase_add_test(t, claimed_sizes_cost_nothing);
	tcase_add_test(t, unsupported_features_are_named);
	tcase_add_test(t, what_is_no_jpeg_says_so);
	tcase_add_test(t, a_source_that_fails_is_reported_as_it_failed);
	tcase_add_test(t,
		       a_truncated_picture_is_refused_and_the_next_one_is_fine);
	tcase_add_test(t, flipped_bytes_never_crash_or_leave_the_arena_changed);
	tcase_add_test(t, stray_bytes_pass_unless_strict);
	tcase_add_test(t, scans_beyond_the_limit_are_refused);
	suite_add_tcase(s, t);
	return s;
}
