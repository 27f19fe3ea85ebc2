/* The decoder in its arena: the right pixels in known memory, against libjpeg
 * used in the ordinary way. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "jpegtest.h"

START_TEST(equals_libjpeg_used_in_the_ordinary_way)
{
	struct recipe all[] = {
		photo,
		{ .width = 640,
		  .height = 480,
		  .space = JCS_YCbCr,
		  .progressive = true },
		{ .width = 333,
		  .height = 77,
		  .space = JCS_YCbCr,
		  .h_sampling = 2 },
		{ .width = 331,
		  .height = 75,
		  .space = JCS_YCbCr,
		  .h_sampling = 1,
		  .noise = true },
		{ .width = 99, .height = 203, .space = JCS_GRAYSCALE },
		{ .width = 64, .height = 64, .space = JCS_RGB },
		{ .width = 1, .height = 1, .space = JCS_YCbCr },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct made m = make(all[i]);
		uint8_t *want = reference(m.p, m.n, 8);

		ck_assert_msg(decode(m.p, m.n) == ST_OK, "%zu: %s", i,
			      err.text);
		ck_assert_uint_eq(img.width_px, (unsigned)all[i].width);
		ck_assert_uint_eq(img.height_px, (unsigned)all[i].height);
		ck_assert_mem_eq(img.rgb, want,
				 (size_t)all[i].width * (size_t)all[i].height *
					 3);
		ck_assert_int_eq(info.progressive, all[i].progressive);
		free(want);
		free(m.p);
	}
}
END_TEST

START_TEST(a_byte_at_a_time_gives_the_same_picture)
{
	struct made m = make(photo);
	uint8_t *want = reference(m.p, m.n, 8);

	ck_assert_uint_eq(decode_with(m.p, m.n, 1, 0, &usual), ST_OK);
	ck_assert_mem_eq(img.rgb, want, 640 * 480 * 3);
	free(want);
	free(m.p);
}
END_TEST

START_TEST(the_scale_is_the_largest_that_fits_beside_what_must_be_kept)
{
	struct made m = make((struct recipe){
		.width = 1280, .height = 960, .space = JCS_YCbCr });

	for (unsigned scale = 8; scale >= 1; scale--) {
		size_t bytes = (size_t)1280 * scale / 8 * 960 * scale / 8 * 3;
		uint8_t *want = reference(m.p, m.n, scale);

		bytes = (bytes + 63) / 64 * 64;
		arena_release(&pool, (struct arena_mark){ 0, 0 });
		ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX,
					      POOL_BYTES - bytes, &usual),
				  ST_OK);
		ck_assert_uint_eq(img.width_px, 1280 * scale / 8);
		ck_assert_mem_eq(img.rgb, want,
				 (size_t)img.width_px * img.height_px * 3);
		ck_assert_uint_eq(info.width_px, 1280);
		ck_assert_uint_eq(info.work_width_px, img.width_px);
		free(want);
	}
	arena_release(&pool, (struct arena_mark){ 0, 0 });
	ck_assert_uint_eq(
		decode_with(m.p, m.n, SIZE_MAX, POOL_BYTES - 1000, &usual),
		ST_PICTURE_TOO_LARGE);
	ck_assert_int_gt(err.found, err.limit);
	free(m.p);
}
END_TEST

/* Baseline memory grows with the width alone, and with little of it. */
START_TEST(twelve_megapixels_fit_a_small_pool)
{
	struct made m = make((struct recipe){ .width = 4000,
					      .height = 3000,
					      .space = JCS_YCbCr,
					      .noise = true });
	struct arena big = pool;

	ck_assert_uint_gt(m.n, 8u << 20);
	arena_init(&pool, pool_memory, 1u << 20);
	ck_assert_msg(decode(m.p, m.n) == ST_OK, "%s", err.text);
	ck_assert_uint_le(pool.peak, 1u << 20);
	ck_assert_uint_ge(img.width_px, 500);
	pool = big;
	free(m.p);
}
END_TEST

START_TEST(a_progressive_picture_is_costed_before_it_is_decoded)
{
	struct made m = make((struct recipe){ .width = 1920,
					      .height = 1080,
					      .space = JCS_YCbCr,
					      .progressive = true });
	struct arena big = pool;

	arena_init(&pool, pool_memory, 2u << 20);
	ck_assert_uint_eq(decode(m.p, m.n), ST_PICTURE_TOO_LARGE);
	/* Coefficients of 4:2:0: three bytes a pixel. */
	ck_assert_int_gt(err.found, 1920 * 1080 * 3);
	ck_assert_uint_lt(pool.peak, 1u << 16);
	pool = big;
	ck_assert_msg(decode(m.p, m.n) == ST_OK, "%s", err.text);
	free(m.p);
}
END_TEST

/* The bound that plans the scale must cover what a decode really takes. */
START_TEST(real_use_never_exceeds_the_plan)
{
	for (int k = 0; k < 60; k++) {
		struct recipe r = { .width = 1 + (int)(rnd() % 1500),
				    .height = 1 + (int)(rnd() % 400),
				    .space = k % 5 ? JCS_YCbCr : JCS_GRAYSCALE,
				    .progressive = k % 2,
				    .h_sampling = k % 5 && k % 3 ? k % 3 : 0 };
		struct made m = make(r);
		struct arena big = pool;

		ck_assert_uint_eq(decode(m.p, m.n), ST_OK);
		/* Shrink the pool until the plan says no: at no size may the
		 * decoder itself run out. */
		for (size_t room = pool.peak; room > 70000; room -= 4096) {
			arena_init(&pool, pool_memory, room);
			if (decode(m.p, m.n) == ST_OK)
				continue;
			ck_assert_uint_eq(err.status, ST_PICTURE_TOO_LARGE);
			ck_assert_int_ne(err.found, ERR_NO_NUMBER);
			break;
		}
		pool = big;
		free(m.p);
	}
}
END_TEST

START_TEST(all_eight_orientations_come_out_upright)
{
	struct made m = make((struct recipe){
		.width = 48, .height = 32, .space = JCS_YCbCr });
	uint8_t *want = reference(m.p, m.n, 8);
	uint8_t seg[] = { 0xff, 0xe1, 0,    34,	  'E', 'x', 'i', 'f', 0,
			  0,	'M',  'M',  0,	  42,  0,   0,	 0,   8,
			  0,	1,    0x01, 0x12, 0,   3,   0,	 0,   0,
			  1,	0,    0,    0,	  0,   0,   0,	 0,   0 };

	for (unsigned o = 1; o <= 8; o++) {
		struct made t;

		seg[29] = (uint8_t)o;
		t = with_segment(m, seg, sizeof(seg));
		ck_assert_uint_eq(decode(t.p, t.n), ST_OK);
		ck_assert_uint_eq(info.orientation, o);
		ck_assert_uint_eq(img.width_px, o >= 5 ? 32 : 48);
		for (unsigned y = 0; y < 32; y++)
			for (unsigned x = 0; x < 48; x++) {
				unsigned u[8] = { x, 47 - x, 47 - x, x,
						  y, 31 - y, 31 - y, y };
				unsigned v[8] = { y, y, 31 - y, 31 - y,
						  x, x, 47 - x, 47 - x };

				ck_assert_mem_eq(
					img.rgb + v[o - 1] * img.stride_bytes +
						u[o - 1] * 3,
					want + (y * 48 + x) * 3, 3);
			}
		free(t.p);
	}
	free(want);
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
	t = with_segment(m, seg, 8 * n);
	ck_assert_uint_eq(decode(t.p, t.n), ST_OK);
	ck_assert_uint_eq(pool.peak, plain);
	free(t.p);
	free(seg);
	free(m.p);
}
END_TEST

/* The file's ink values: full cyan, no black, in both conventions. */
START_TEST(cmyk_becomes_the_colours_it_prints)
{
	struct recipe r = { .width = 64, .height = 64, .space = JCS_CMYK };
	struct made m = make(r), y;
	uint8_t *ink = malloc((size_t)r.width * 4);

	ck_assert_msg(decode(m.p, m.n) == ST_OK, "%s", err.text);
	/* The library writes an Adobe marker, which means inverted values:
	 * what fill() made are then amounts of light. */
	for (int row = 8; row < 56; row += 9) {
		fill(ink, row, &r, 4);
		for (int x = 8; x < 56; x += 7)
			for (int c = 0; c < 3; c++)
				ck_assert_int_le(
					abs(img.rgb[(row * 64 + x) * 3 + c] -
					    ink[x * 4 + c] * ink[x * 4 + 3] /
						    255),
					24);
	}
	r.space = JCS_YCCK;
	y = make(r);
	ck_assert_msg(decode(y.p, y.n) == ST_OK, "%s", err.text);
	free(ink);
	free(m.p);
	free(y.p);
}
END_TEST

Suite *suite_jpeg(void)
{
	Suite *s = suite_create("jpeg");
	TCase *t = tcase_create("jpeg");

	tcase_add_checked_fixture(t, jpegtest_open, jpegtest_close);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, equals_libjpeg_used_in_the_ordinary_way);
	tcase_add_test(t, a_byte_at_a_time_gives_the_same_picture);
	tcase_add_test(
		t, the_scale_is_the_largest_that_fits_beside_what_must_be_kept);
	tcase_add_test(t, twelve_megapixels_fit_a_small_pool);
	tcase_add_test(t, a_progressive_picture_is_costed_before_it_is_decoded);
	tcase_add_test(t, real_use_never_exceeds_the_plan);
	tcase_add_test(t, all_eight_orientations_come_out_upright);
	tcase_add_test(t, half_a_megabyte_of_segments_costs_no_memory);
	tcase_add_test(t, cmyk_becomes_the_colours_it_prints);
	suite_add_tcase(s, t);
	return s;
}
