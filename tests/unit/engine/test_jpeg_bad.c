/* Pictures that are damaged, too large, unsupported or none at all. After each
 * the decoder must take the next one as if nothing had happened. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jpegtest.h"

Suite *suite_jpeg_bad(void);

static void assert_corrupt(struct made m, const char *word)
{
	ck_assert_msg(decode(m.p, m.n) == ST_CORRUPT_JPEG, "%s: %s", word,
		      err.text);
	ck_assert_msg(strstr(err.text, word) != NULL, "no %s in: %s", word,
		      err.text);
	free(m.p);
}

START_TEST(limits_are_checked_from_the_header)
{
	struct made m = make(photo);
	struct jpeg_limits exact = { 640, 640 * 480, 64, false };
	struct jpeg_limits narrow = { 639, 50000000, 64, false };
	struct jpeg_limits few = { 8192, 640 * 480 - 1, 64, false };

	ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX, 0, &narrow),
			  ST_PICTURE_TOO_LARGE);
	ck_assert_int_eq(err.found, 640);
	ck_assert_int_eq(err.limit, 639);
	ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX, 0, &few),
			  ST_PICTURE_TOO_LARGE);
	ck_assert_int_eq(err.found, 640 * 480);
	ck_assert_int_eq(err.limit, 640 * 480 - 1);
	ck_assert_uint_lt(pool.peak, 1u << 16);
	ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX, 0, &exact), ST_OK);
	free(m.p);
}
END_TEST

START_TEST(claimed_sizes_cost_nothing)
{
	struct made m = make(photo);
	uint8_t *sof = m.p + find_marker(m, 0xc0, 0);

	memset(sof + 5, 0xff, 4); /* 65535 x 65535 */
	ck_assert_uint_eq(decode(m.p, m.n), ST_PICTURE_TOO_LARGE);
	ck_assert_int_eq(err.found, 65535);
	ck_assert_int_eq(err.limit, 8192);
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
	} cases[] = { { 0xc0, 12, "8 bits" },	 { 0xc1, 12, "8 bits" },
		      { 0xc3, 8, "lossless" },	 { 0xc5, 8, "hierarchical" },
		      { 0xc9, 8, "arithmetic" }, { 0xca, 8, "arithmetic" },
		      { 0xcb, 8, "lossless" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct made m = make(photo);
		uint8_t *sof = m.p + find_marker(m, 0xc0, 0);

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
	static const struct {
		const char *bytes;
		size_t n;
		enum status want;
	} cases[] = {
		{ "", 0, ST_BAD_REQUEST },
		{ "\x89PNG\r\n\x1a\n", 8, ST_NOT_A_JPEG },
		{ "<", 1, ST_NOT_A_JPEG },
		{ "\xff\xd9", 2, ST_NOT_A_JPEG },
		{ "\xff\xd8 text", 7, ST_NOT_A_JPEG },
		{ "\xff", 1, ST_CORRUPT_JPEG },
		{ "\xff\xd8", 2, ST_CORRUPT_JPEG },
		{ "\xff\xd8\xff", 3, ST_CORRUPT_JPEG },
		{ "\xff\xd8\xff\xd9", 4, ST_CORRUPT_JPEG },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t step = 1; step <= 8; step += 7)
			ck_assert_msg(
				decode_with((const uint8_t *)cases[i].bytes,
					    cases[i].n, step, 0,
					    &usual) == cases[i].want,
				"case %zu: %s", i, err.text);
}
END_TEST

struct failing {
	struct made m;
	size_t at, until;
};

static ssize_t read_until(void *ctx, uint8_t *buf, size_t cap)
{
	struct failing *f = ctx;
	size_t n = f->until - f->at;

	if (n == 0)
		return -(ssize_t)ST_CLIENT_GONE;
	n = n < cap ? n : cap;
	memcpy(buf, f->m.p + f->at, n);
	f->at += n;
	return (ssize_t)n;
}

START_TEST(a_source_that_fails_is_reported_as_it_failed)
{
	struct recipe r = photo;

	r.progressive = _i;
	struct failing f = { .m = make(r) };
	struct byte_source src = { read_until, &f };

	for (f.until = 0; f.until + 10 < f.m.n; f.until += f.m.n / 9) {
		f.at = 0;
		err_clear(&err);
		ck_assert_uint_eq(jpeg_decode(decoder, &pool, 0, 1600, &usual,
					      &src, &img, &info, &err),
				  ST_CLIENT_GONE);
		ck_assert_uint_eq(err.status, ST_CLIENT_GONE);
		ck_assert_uint_eq(pool.head + pool.tail, 0);
		ck_assert_uint_eq(decode(f.m.p, f.m.n), ST_OK);
	}
	free(f.m.p);
}
END_TEST

/* The decoder reads up to eight bytes ahead of what it needs, so that a
 * picture which lacks no more than its end marker may pass. */
START_TEST(a_truncated_picture_is_refused_and_the_next_one_is_fine)
{
	static const struct recipe kinds[] = {
		{ SIZED(160, 120, JCS_YCbCr) },
		{ SIZED(160, 120, JCS_YCbCr), .progressive = true },
		{ SIZED(160, 120, JCS_YCbCr), .separate = true },
		{ SIZED(160, 120, JCS_YCbCr), .restart = 2 },
		{ SIZED(160, 120, JCS_CMYK) },
	};
	struct made m = make(kinds[_i]);
	uint8_t *want, *copy;
	size_t bytes;

	ck_assert_uint_eq(decode(m.p, m.n), ST_OK);
	bytes = img.stride_bytes * img.height_px;
	want = malloc(bytes);
	memcpy(want, img.rgb, bytes);
	for (size_t n = 2; n + 10 < m.n; n += n + 200 < m.n ? 97 : 1) {
		/* Its own end, so that a memory checker sees one too many. */
		copy = malloc(n);
		memcpy(copy, m.p, n);
		ck_assert_msg(decode(copy, n) == ST_CORRUPT_JPEG,
			      "%zu bytes: %s", n, err.text);
		free(copy);
	}
	ck_assert_uint_eq(decode(m.p, m.n), ST_OK);
	ck_assert_mem_eq(img.rgb, want, bytes);
	free(want);
	free(m.p);
}
END_TEST

START_TEST(flipped_bytes_never_crash_or_leave_the_arena_changed)
{
	static const struct recipe kinds[] = {
		{ SIZED(120, 90, JCS_YCbCr) },
		{ SIZED(120, 90, JCS_YCbCr), .progressive = true },
		{ SIZED(120, 90, JCS_YCbCr), .separate = true, .restart = 5 },
		{ SIZED(50, 90, JCS_YCCK), .progressive = true,
		  .optimised = true },
	};
	struct made plain = make(kinds[_i]);
	struct made m = replaced(plain, 2, 0, turn_segment(6), TURN_BYTES);
	uint8_t *copy = malloc(m.n);
	unsigned good = 0;

	for (int k = 0; k < 1000; k++) {
		/* Every other time near the headers, which are few bytes. */
		size_t within = k & 1 ? m.n : 700;

		memcpy(copy, m.p, m.n);
		for (uint32_t f = 0, n = 1 + rnd() % 6; f < n; f++)
			copy[rnd() % within] ^= (uint8_t)(1u << rnd() % 8);
		good += decode(copy, m.n) == ST_OK;
		if (k % 50 == 0)
			ck_assert_uint_eq(decode(m.p, m.n), ST_OK);
	}
	ck_assert_uint_lt(good, 1000);
	free(copy);
	free(m.p);
	free(plain.p);
}
END_TEST

/* Each of these costs no pixel. */
START_TEST(harmless_oddities_pass_unless_strict)
{
	struct recipe rgb = { SIZED(64, 64, JCS_RGB) };
	struct made m = make(photo), with_adobe = make(rgb), odd[3];
	struct jpeg_limits strict = usual;
	size_t adobe = find_marker(with_adobe, 0xee, 0);

	/* Padding between two segments; JFIF 3; unknown Adobe transform. */
	odd[0] = replaced(m, 20, 0, "\0\0\0", 3);
	odd[1] = replaced(m, 11, 1, "\3", 1);
	odd[2] = replaced(with_adobe, adobe + 15, 1, "\7", 1);
	strict.strict = true;
	ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX, 0, &strict), ST_OK);
	for (int i = 0; i < 3; i++) {
		ck_assert_msg(decode(odd[i].p, odd[i].n) == ST_OK, "%d: %s", i,
			      err.text);
		ck_assert_uint_eq(info.warnings, 1);
		ck_assert_uint_eq(
			decode_with(odd[i].p, odd[i].n, SIZE_MAX, 0, &strict),
			ST_CORRUPT_JPEG);
		free(odd[i].p);
	}
	free(m.p);
	free(with_adobe.p);
}
END_TEST

START_TEST(lost_data_is_refused_with_its_reason)
{
	struct recipe r = photo;
	struct made m;
	size_t at;

	r.restart = 10;
	m = make(r);
	/* A lost restart interval. */
	at = find_marker(m, 0xd1, 0);
	assert_corrupt(replaced(m, at, find_marker(m, 0xd2, 0) - at, "", 0),
		       "RST");
	/* Nothing at all between two restart markers. */
	at = find_marker(m, 0xd1, 0) + 2;
	assert_corrupt(replaced(m, at, find_marker(m, 0xd2, 0) - at, "", 0),
		       "premature end of data segment");
	/* Bytes too many, which only a damaged interval leaves over. */
	at = find_marker(m, 0xd2, 0);
	assert_corrupt(replaced(m, at, 0, "\0\0\0\0\0\0\0\0\0\0", 10),
		       "extraneous bytes");
	/* Codes of 16 ones are never given. */
	at = find_marker(m, 0xd2, 0) + 2;
	assert_corrupt(replaced(m, at, 8, "\xff\0\xff\0\xff\0\xff\0", 8),
		       "bad Huffman code");
	free(m.p);
	r.progressive = true;
	r.restart = 0;
	m = make(r);
	at = find_marker(m, 0xda, 1);
	assert_corrupt(replaced(m, at, 0, "\0\0", 2), "extraneous bytes");
	free(m.p);
}
END_TEST

START_TEST(a_missing_component_is_noticed)
{
	struct recipe r = photo;
	struct made m, t;
	size_t at;

	/* Sequential, where libjpeg itself says nothing. */
	r.separate = true;
	m = make(r);
	at = find_marker(m, 0xda, 2);
	assert_corrupt(replaced(m, at, m.n - 2 - at, "", 0), "component");
	free(m.p);
	/* Progressive without its first scan, which holds all DC. */
	r.separate = false;
	r.progressive = true;
	m = make(r);
	at = find_marker(m, 0xda, 0);
	t = replaced(m, at, find_marker(m, 0xda, 1) - at, "", 0);
	ck_assert_uint_eq(decode(t.p, t.n), ST_CORRUPT_JPEG);
	free(t.p);
	free(m.p);
}
END_TEST

START_TEST(tables_of_the_picture_before_are_forgotten)
{
	struct made m = make(photo), bare = without(m, 0xdb);

	ck_assert_uint_eq(decode(m.p, m.n), ST_OK);
	ck_assert_uint_eq(decode(bare.p, bare.n), ST_CORRUPT_JPEG);
	ck_assert_ptr_nonnull(strstr(err.text, "uantization table"));
	free(bare.p);
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
	few.max_scans = 9; /* the library makes ten */
	ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX, 0, &few),
			  ST_CORRUPT_JPEG);
	ck_assert_int_eq(err.limit, 9);
	ck_assert_int_eq(err.found, 10);
	few.max_scans = 10;
	ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX, 0, &few), ST_OK);
	free(m.p);
}
END_TEST

/* Each scan is whole and costs a few bytes; nothing but the limit stops it. */
START_TEST(a_scan_bomb_is_defused)
{
	static const uint8_t black[3] = { 0 };
	struct recipe r = { SIZED(1000, 1000, JCS_YCbCr), .separate = true,
			    .solid = black };
	struct made m = make(r), t;
	size_t at = find_marker(m, 0xda, 2), n = m.n - 2 - at;
	uint8_t *scans = malloc(n * 5000);

	for (size_t i = 0; i < 5000; i++)
		memcpy(scans + i * n, m.p + at, n);
	t = replaced(m, m.n - 2, 0, scans, n * 5000);
	ck_assert_uint_eq(decode(t.p, t.n), ST_CORRUPT_JPEG);
	ck_assert_int_eq(err.limit, 64);
	ck_assert_int_eq(err.found, 65);
	free(scans);
	free(t.p);
	free(m.p);
}
END_TEST

START_TEST(nothing_is_written_to_stderr)
{
	struct made m = make(photo);
	FILE *f = tmpfile();
	int saved = dup(STDERR_FILENO);
	long written;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(dup2(fileno(f), STDERR_FILENO), 0);
	for (unsigned at = 0; at < 100; at++) {
		struct made t = replaced(m, 20 + at * (m.n - 40) / 100, 1,
					 "\xfe", 1);

		decode(t.p, t.n);
		free(t.p);
	}
	dup2(saved, STDERR_FILENO);
	close(saved);
	fseek(f, 0, SEEK_END);
	written = ftell(f);
	fclose(f);
	ck_assert_int_eq(written, 0);
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
	tcase_add_loop_test(t, a_source_that_fails_is_reported_as_it_failed, 0,
			    2);
	tcase_add_loop_test(
		t, a_truncated_picture_is_refused_and_the_next_one_is_fine, 0,
		5);
	tcase_add_loop_test(
		t, flipped_bytes_never_crash_or_leave_the_arena_changed, 0, 4);
	tcase_add_test(t, harmless_oddities_pass_unless_strict);
	tcase_add_test(t, lost_data_is_refused_with_its_reason);
	tcase_add_test(t, a_missing_component_is_noticed);
	tcase_add_test(t, tables_of_the_picture_before_are_forgotten);
	tcase_add_test(t, scans_beyond_the_limit_are_refused);
	tcase_add_test(t, a_scan_bomb_is_defused);
	tcase_add_test(t, nothing_is_written_to_stderr);
	suite_add_tcase(s, t);
	return s;
}
