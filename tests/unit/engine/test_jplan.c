/* The memory of a decode: what is planned suffices, and little more. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "image/jplan.h"
#include "jpegtest.h"

Suite *suite_jplan(void);

/* How much more than it takes a decode may plan for. */
#define SLACK_BYTES 65536

/* Factors of luma and of the other components. */
static const struct {
	int luma[2], others[2];
} samplings[] = {
	{ { 1, 1 }, { 1, 1 } }, { { 2, 1 }, { 1, 1 } }, { { 2, 2 }, { 1, 1 } },
	{ { 1, 2 }, { 1, 1 } }, { { 4, 1 }, { 1, 1 } }, { { 1, 4 }, { 1, 1 } },
	{ { 4, 2 }, { 1, 1 } }, { { 1, 1 }, { 2, 2 } }, { { 2, 4 }, { 1, 1 } },
	{ { 1, 1 }, { 1, 4 } }, { { 2, 2 }, { 2, 1 } },
};
#define SAMPLINGS (sizeof(samplings) / sizeof(samplings[0]))

/* Whether the decoder may make planes; each test runs in a process of its own.
 */
static bool planes;

/* What a scale takes when room is all there is, by the plan itself. */
static enum jplan plan(struct made m, uint64_t room, uint64_t *need,
		       unsigned *width)
{
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr e;
	enum jplan result;

	c.err = jpeg_std_error(&e);
	jpeg_create_decompress(&c);
	jpeg_mem_src(&c, m.p, m.n);
	jpeg_read_header(&c, TRUE);
	c.out_color_space = c.num_components == 4 ? JCS_CMYK : JCS_RGB;
	result = jplan_scale(&c, planes, room, 0, 1600, need);
	*width = c.output_width;
	jpeg_destroy_decompress(&c);
	return result;
}

/* Goes through all scales, each in the smallest pool that is planned for it. */
static void assert_planned(struct recipe r)
{
	struct made m = make(r);
	uint64_t room = POOL_BYTES, need;
	unsigned width;

	while (plan(m, room, &need, &width) == JPLAN_FITS) {
		ck_assert_msg(decode_in(m.p, m.n, (size_t)need) == ST_OK,
			      "%d x %d in %llu bytes: %s", r.width, r.height,
			      (unsigned long long)need, err.text);
		ck_assert_uint_eq(img.width_px, width);
		ck_assert_uint_le(pool.peak, need);
		if (r.width <= 1000)
			ck_assert_uint_ge(pool.peak + SLACK_BYTES, need);
		room = need - 64;
	}
	ck_assert_uint_lt(room, POOL_BYTES - 64);
	ck_assert_uint_eq(decode_in(m.p, m.n, (size_t)room),
			  ST_PICTURE_TOO_LARGE);
	ck_assert_int_eq(err.limit, (int64_t)room);
	ck_assert_int_eq(err.found, (int64_t)need);
	free(m.p);
}

START_TEST(the_planned_pool_suffices_at_every_scale)
{
	static const int sizes[][2] = {
		{ 1, 1 }, { 301, 203 }, { 1599, 37 }, { 9, 1000 }
	};

	for (size_t k = 0; k < 4; k++)
		for (int scans = 0; scans < 3; scans++) {
			struct recipe r = { SIZED(sizes[k][0], sizes[k][1],
						  JCS_YCbCr),
					    .progressive = scans == 1,
					    .separate = scans == 2 };

			for (int c = 0; c < 3; c++)
				memcpy(r.sampling[c],
				       c == 0 ? samplings[_i].luma
					      : samplings[_i].others,
				       sizeof(r.sampling[c]));
			assert_planned(r);
		}
}
END_TEST

START_TEST(so_it_does_for_one_and_four_components)
{
	static const J_COLOR_SPACE spaces[] = { JCS_GRAYSCALE, JCS_CMYK,
						JCS_YCCK };

	for (size_t k = 0; k < 3; k++)
		for (int progressive = 0; progressive < 2; progressive++)
			assert_planned(
				(struct recipe){ SIZED(321, 123, spaces[k]),
						 .progressive = progressive });
}
END_TEST

/* Baseline memory grows with the width alone, and with little of it. */
START_TEST(twelve_megapixels_fit_a_small_pool)
{
	struct made m = make(
		(struct recipe){ SIZED(4000, 3000, JCS_YCbCr), .noise = true });

	ck_assert_uint_gt(m.n, 8u << 20);
	ck_assert_msg(decode_in(m.p, m.n, 1u << 20) == ST_OK, "%s", err.text);
	ck_assert_uint_le(pool.peak, 1u << 20);
	ck_assert_uint_ge(img.width_px, 500);
	free(m.p);
}
END_TEST

/* Full size beside what the decoder takes: the numbers of the documents. */
START_TEST(vga_fits_a_megabyte_and_progressive_two)
{
	struct recipe r = photo;
	struct made m = make(r);

	ck_assert_uint_eq(decode_in(m.p, m.n, 1100u << 10), ST_OK);
	ck_assert_uint_eq(img.width_px, 640);
	free(m.p);
	r.progressive = true;
	m = make(r);
	ck_assert_uint_eq(decode_in(m.p, m.n, 2000u << 10), ST_OK);
	ck_assert_uint_eq(img.width_px, 640);
	free(m.p);
}
END_TEST

START_TEST(a_progressive_picture_is_costed_before_it_is_decoded)
{
	struct made m = make((struct recipe){ SIZED(1920, 1080, JCS_YCbCr),
					      .progressive = true });

	ck_assert_uint_eq(decode_in(m.p, m.n, 2u << 20), ST_PICTURE_TOO_LARGE);
	/* Coefficients of 4:2:0: three bytes a pixel. */
	ck_assert_int_gt(err.found, 1920 * 1080 * 3);
	ck_assert_uint_lt(pool.peak, 1u << 16);
	ck_assert_msg(decode(m.p, m.n) == ST_OK, "%s", err.text);
	free(m.p);
}
END_TEST

/* Also where size_t has 32 bits. */
START_TEST(the_largest_claims_do_not_wrap_around)
{
	struct made m = make((struct recipe){ SIZED(16, 16, JCS_CMYK),
					      .progressive = true });
	uint8_t *size = m.p + find_marker(m, 0xc2, 0) + 5;
	uint64_t need;
	unsigned width;

	size[0] = size[1] = 0xff; /* 65280 x 65280 */
	size[1] = size[3] = 0;
	size[2] = 0xff;
	ck_assert_uint_eq(plan(m, UINT32_MAX, &need, &width), JPLAN_NO_ROOM);
	ck_assert_uint_gt(need, (uint64_t)65280 * 65280 * 8);
	free(m.p);
}
END_TEST

START_TEST(half_a_megabyte_of_segments_costs_no_memory)
{
	struct made m = make(photo);
	size_t n = 65537;
	uint8_t *seg = calloc(8, n);
	struct made t;
	size_t plain;

	ck_assert_uint_eq(decode(m.p, m.n), ST_OK);
	plain = pool.peak;
	for (size_t i = 0; i < 8; i++) {
		seg[i * n] = 0xff;
		seg[i * n + 1] = i % 2 ? 0xfe : (uint8_t)(0xe1 + i);
		seg[i * n + 2] = seg[i * n + 3] = 0xff;
	}
	t = replaced(m, 2, 0, seg, 8 * n);
	ck_assert_uint_eq(decode(t.p, t.n), ST_OK);
	ck_assert_uint_eq(pool.peak, plain);
	ck_assert_uint_eq(info.warnings, 0);
	free(t.p);
	free(seg);
	free(m.p);
}
END_TEST

/* Four quantisation and eight Huffman tables, thousands of times. */
START_TEST(repeated_tables_take_no_more_memory_than_once)
{
	struct made m = make(photo), t;
	static uint8_t seg[1000 * (69 + 8 * 22)];
	size_t at = 0;

	for (int k = 0; k < 1000; k++) {
		const uint8_t dqt[4] = { 0xff, 0xdb, 0, 67 };
		const uint8_t dht[4] = { 0xff, 0xc4, 0, 20 };

		memcpy(seg + at, dqt, 4);
		seg[at + 4] = (uint8_t)(k & 3);
		memset(seg + at + 5, 1, 64);
		at += 69;
		for (int i = 0; i < 8; i++) {
			memcpy(seg + at, dht, 4);
			seg[at + 4] = (uint8_t)((i & 4) << 2 | (i & 3));
			memset(seg + at + 5, 0, 17);
			seg[at + 5] = 1; /* one code of one bit */
			at += 22;
		}
	}
	t = replaced(m, 2, 0, seg, at);
	for (int k = 0; k < 3; k++)
		ck_assert_msg(decode(t.p, t.n) == ST_OK, "%s", err.text);
	free(t.p);
	free(m.p);
}
END_TEST

static void open_planes(void)
{
	jpegtest_open_planes();
	planes = true;
}

Suite *suite_jplan(void)
{
	Suite *s = suite_create("jplan");
	TCase *t = tcase_create("jplan"), *p = tcase_create("planes");

	tcase_add_checked_fixture(t, jpegtest_open, jpegtest_close);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, the_planned_pool_suffices_at_every_scale, 0,
			    SAMPLINGS);
	tcase_add_test(t, so_it_does_for_one_and_four_components);
	tcase_add_test(t, twelve_megapixels_fit_a_small_pool);
	tcase_add_test(t, vga_fits_a_megabyte_and_progressive_two);
	tcase_add_test(t, a_progressive_picture_is_costed_before_it_is_decoded);
	tcase_add_test(t, the_largest_claims_do_not_wrap_around);
	tcase_add_test(t, half_a_megabyte_of_segments_costs_no_memory);
	tcase_add_test(t, repeated_tables_take_no_more_memory_than_once);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(p, open_planes, jpegtest_close);
	tcase_set_timeout(p, 120);
	tcase_add_loop_test(p, the_planned_pool_suffices_at_every_scale, 0,
			    SAMPLINGS);
	suite_add_tcase(s, p);
	return s;
}
