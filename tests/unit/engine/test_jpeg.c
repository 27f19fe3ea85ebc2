/* The decoder gives the right pixels: those of libjpeg used in the ordinary
 * way, upright, in RGB. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "jpegtest.h"

Suite *suite_jpeg(void);

#define SAMPLED(a, b, c, d, e, f) .sampling = { { a, b }, { c, d }, { e, f } }

static const struct recipe kinds[] = {
	{ SIZED(640, 480, JCS_YCbCr) },
	{ SIZED(640, 480, JCS_YCbCr), .progressive = true },
	{ SIZED(640, 480, JCS_YCbCr), .separate = true },
	{ SIZED(640, 480, JCS_YCbCr), .optimised = true },
	{ SIZED(331, 75, JCS_YCbCr), .noise = true, .restart = 3 },
	{ SIZED(331, 75, JCS_YCbCr), .progressive = true, .restart = 7 },
	{ SIZED(333, 77, JCS_YCbCr), SAMPLED(2, 1, 1, 1, 1, 1) },
	{ SIZED(333, 77, JCS_YCbCr), SAMPLED(1, 2, 1, 1, 1, 1) },
	{ SIZED(331, 75, JCS_YCbCr), SAMPLED(1, 1, 1, 1, 1, 1) },
	{ SIZED(331, 75, JCS_YCbCr), SAMPLED(4, 1, 1, 1, 2, 1) },
	{ SIZED(99, 203, JCS_GRAYSCALE) },
	{ SIZED(99, 203, JCS_GRAYSCALE), .progressive = true },
	{ SIZED(64, 64, JCS_RGB) },
	{ SIZED(1, 1, JCS_YCbCr) },
	{ SIZED(1, 900, JCS_YCbCr) },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void assert_pixels(const uint8_t *want)
{
	ck_assert_uint_eq(img.stride_bytes, (size_t)img.width_px * 3);
	ck_assert_mem_eq(img.rgb, want, img.stride_bytes * img.height_px);
}

START_TEST(equals_libjpeg_used_in_the_ordinary_way)
{
	const struct recipe *r = &kinds[_i];
	struct made m = make(*r);
	uint8_t *want = reference(m.p, m.n, 8);

	ck_assert_msg(decode(m.p, m.n) == ST_OK, "%d: %s", _i, err.text);
	ck_assert_uint_eq(img.width_px, (unsigned)r->width);
	ck_assert_uint_eq(img.height_px, (unsigned)r->height);
	assert_pixels(want);
	ck_assert_int_eq(info.progressive, r->progressive);
	ck_assert_uint_eq(info.warnings, 0);
	ck_assert_uint_eq(info.orientation, 1);
	free(want);
	free(m.p);
}
END_TEST

START_TEST(a_byte_at_a_time_gives_the_same_picture)
{
	struct made m = make(kinds[_i]);
	uint8_t *want = reference(m.p, m.n, 8);

	ck_assert_uint_eq(decode_with(m.p, m.n, 1, 0, &usual), ST_OK);
	assert_pixels(want);
	free(want);
	free(m.p);
}
END_TEST

/* Neither a request before nor chance may show through. */
static void assert_only_the_file_shows(const struct recipe *r)
{
	struct made m = make(*r);

	for (size_t scale = 8; scale >= 1; scale--) {
		size_t keep = POOL_BYTES, bytes;
		uint8_t *first;

		/* The pictures are small: most of the pool is kept for others,
		 * so that the scale shrinks. */
		keep -= ((size_t)r->width * scale / 8 + 1) *
				((size_t)r->height * scale / 8 + 1) * 3 +
			64;
		memset(pool_memory, 0, POOL_BYTES);
		ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX, keep, &usual),
				  ST_OK);
		bytes = img.rgb != NULL ? img.stride_bytes * img.height_px
					: (size_t)image_planes_bytes(
						  img.width_px, img.height_px);
		first = malloc(bytes);
		memcpy(first, pool_memory, bytes);
		arena_release(&pool, (struct arena_mark){ 0, 0 });
		memset(pool_memory, 0xa5, POOL_BYTES);
		ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX, keep, &usual),
				  ST_OK);
		ck_assert_mem_eq(pool_memory, first, bytes);
		arena_release(&pool, (struct arena_mark){ 0, 0 });
		free(first);
	}
	free(m.p);
}

START_TEST(what_the_pool_held_before_never_shows)
{
	assert_only_the_file_shows(&kinds[_i]);
	jpegtest_close();
	jpegtest_open_planes();
	assert_only_the_file_shows(&kinds[_i]);
}
END_TEST

START_TEST(the_scale_is_the_largest_that_fits_beside_what_must_be_kept)
{
	struct made m = make((struct recipe){ SIZED(1280, 960, JCS_YCbCr) });

	for (unsigned scale = 8; scale >= 1; scale--) {
		size_t bytes = (size_t)1280 * scale / 8 * 960 * scale / 8 * 3;
		uint8_t *want = reference(m.p, m.n, scale);

		bytes = (bytes + 63) / 64 * 64;
		arena_release(&pool, (struct arena_mark){ 0, 0 });
		ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX,
					      POOL_BYTES - bytes, &usual),
				  ST_OK);
		ck_assert_uint_eq(img.width_px, 1280 * scale / 8);
		assert_pixels(want);
		ck_assert_uint_eq(info.width_px, 1280);
		ck_assert_uint_eq(info.height_px, 960);
		ck_assert_uint_eq(info.work_width_px, img.width_px);
		ck_assert_uint_eq(info.work_height_px, img.height_px);
		free(want);
	}
	arena_release(&pool, (struct arena_mark){ 0, 0 });
	ck_assert_uint_eq(
		decode_with(m.p, m.n, SIZE_MAX, POOL_BYTES - 1000, &usual),
		ST_PICTURE_TOO_LARGE);
	ck_assert_int_eq(err.limit, POOL_BYTES);
	ck_assert_int_gt(err.found, err.limit);
	free(m.p);
}
END_TEST

/* The tests' side limit is 1600. */
START_TEST(a_long_side_is_scaled_down_or_refused)
{
	struct made m = make((struct recipe){ SIZED(8000, 16, JCS_YCbCr) });
	struct jpeg_limits wide = usual;

	ck_assert_uint_eq(decode(m.p, m.n), ST_OK);
	ck_assert_uint_eq(img.width_px, 1000);
	ck_assert_uint_eq(img.height_px, 2);
	free(m.p);
	m = make((struct recipe){ SIZED(16, 8000, JCS_YCbCr) });
	ck_assert_uint_eq(decode(m.p, m.n), ST_OK);
	ck_assert_uint_eq(img.height_px, 1000);
	free(m.p);
	m = make((struct recipe){ SIZED(65500, 16, JCS_YCbCr) });
	ck_assert_uint_eq(decode(m.p, m.n), ST_PICTURE_TOO_LARGE);
	ck_assert_int_eq(err.limit, 8192);
	ck_assert_int_eq(err.found, 65500);
	wide.max_width_px = 65500;
	ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX, 0, &wide),
			  ST_PICTURE_TOO_LARGE);
	ck_assert_int_eq(err.limit, 1600);
	free(m.p);
}
END_TEST

START_TEST(all_eight_orientations_come_out_upright)
{
	unsigned o = (unsigned)_i;
	struct made m = make((struct recipe){ SIZED(48, 32, JCS_YCbCr) });
	uint8_t *want = reference(m.p, m.n, 8);
	struct made t = replaced(m, 2, 0, turn_segment(o), TURN_BYTES);

	ck_assert_uint_eq(decode(t.p, t.n), ST_OK);
	ck_assert_uint_eq(info.orientation, o);
	ck_assert_uint_eq(img.width_px, o >= 5 ? 32 : 48);
	ck_assert_uint_eq(img.height_px, o >= 5 ? 48 : 32);
	ck_assert_uint_eq(info.width_px, img.width_px);
	ck_assert_uint_eq(info.height_px, img.height_px);
	for (unsigned y = 0; y < 32; y++)
		for (unsigned x = 0; x < 48; x++) {
			unsigned u[8] = { x, 47 - x, 47 - x, x,
					  y, 31 - y, 31 - y, y };
			unsigned v[8] = { y, y, 31 - y, 31 - y,
					  x, x, 47 - x, 47 - x };

			ck_assert_mem_eq(img.rgb + v[o - 1] * img.stride_bytes +
						 u[o - 1] * 3,
					 want + (y * 48 + x) * 3, 3);
		}
	free(t.p);
	free(want);
	free(m.p);
}
END_TEST

/* By then the working picture has its shape; one that changed it would have
 * its rows stored beside it. */
START_TEST(an_orientation_between_scans_is_ignored)
{
	struct made m = make((struct recipe){ SIZED(200, 16, JCS_YCbCr),
					      .progressive = true });
	uint8_t *want = reference(m.p, m.n, 8);
	struct made t = replaced(m, find_marker(m, 0xda, 1), 0, turn_segment(6),
				 TURN_BYTES);

	ck_assert_msg(decode(t.p, t.n) == ST_OK, "%s", err.text);
	ck_assert_uint_eq(info.orientation, 1);
	ck_assert_uint_eq(img.width_px, 200);
	assert_pixels(want);
	free(t.p);
	free(want);
	free(m.p);
}
END_TEST

/* Stored values of CMYK are amounts of light where there is an Adobe marker
 * (which libjpeg writes), and amounts of ink where there is none. */
START_TEST(cmyk_becomes_the_colours_it_prints)
{
	static const struct {
		uint8_t stored[4], adobe[3], plain[3];
	} cases[] = {
		{ { 0, 255, 255, 255 }, { 0, 255, 255 }, { 0, 0, 0 } },
		{ { 255, 255, 255, 255 }, { 255, 255, 255 }, { 0, 0, 0 } },
		{ { 255, 255, 255, 0 }, { 0, 0, 0 }, { 0, 0, 0 } },
		{ { 255, 0, 0, 0 }, { 0, 0, 0 }, { 0, 255, 255 } },
		{ { 0, 0, 0, 0 }, { 0, 0, 0 }, { 255, 255, 255 } },
		{ { 200, 100, 50, 128 }, { 100, 50, 25 }, { 27, 77, 102 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct recipe r = { SIZED(24, 24, JCS_CMYK),
				    .solid = cases[i].stored };
		struct made m = make(r), plain = without(m, 0xee), ycck;

		r.space = JCS_YCCK;
		ycck = make(r);
		for (int c = 0; c < 3; c++) {
			ck_assert_uint_eq(decode(m.p, m.n), ST_OK);
			ck_assert_int_le(
				abs(img.rgb[300 + c] - cases[i].adobe[c]), 2);
			ck_assert_uint_eq(decode(ycck.p, ycck.n), ST_OK);
			ck_assert_int_le(
				abs(img.rgb[300 + c] - cases[i].adobe[c]), 4);
			ck_assert_uint_eq(decode(plain.p, plain.n), ST_OK);
			ck_assert_int_le(
				abs(img.rgb[300 + c] - cases[i].plain[c]), 2);
		}
		free(m.p);
		free(plain.p);
		free(ycck.p);
	}
}
END_TEST

START_TEST(every_pixel_of_cmyk_follows_from_its_inks)
{
	struct made m = make((struct recipe){ SIZED(77, 41, JCS_YCCK) });
	struct made t = replaced(m, 2, 0, turn_segment(3), TURN_BYTES);
	uint8_t *light = reference(m.p, m.n, 8);
	size_t n = 77 * 41;

	ck_assert_msg(decode(t.p, t.n) == ST_OK, "%s", err.text);
	for (size_t i = 0; i < n; i++)
		for (size_t c = 0; c < 3; c++)
			ck_assert_int_eq(img.rgb[(n - 1 - i) * 3 + c],
					 (light[i * 4 + c] * light[i * 4 + 3] +
					  127) / 255);
	free(light);
	free(t.p);
	free(m.p);
}
END_TEST

/* As in the frames of a motion JPEG, whose tables are the standard's. */
START_TEST(a_picture_without_huffman_tables_uses_the_standard_ones)
{
	struct recipe r = photo;
	struct made m = make(r), bare = without(m, 0xc4), other;
	uint8_t *want = reference(m.p, m.n, 8);

	r.optimised = true;
	r.noise = true;
	other = make(r);
	ck_assert_uint_eq(decode(other.p, other.n), ST_OK);
	ck_assert_msg(decode(bare.p, bare.n) == ST_OK, "%s", err.text);
	assert_pixels(want);
	free(want);
	free(m.p);
	free(bare.p);
	free(other.p);
}
END_TEST

START_TEST(what_follows_the_last_pixel_is_left_unread)
{
	struct made m = make(photo);
	uint8_t *more = calloc(1, 100000);
	struct made t = replaced(m, m.n, 0, more, 100000);

	ck_assert_uint_eq(decode(t.p, t.n), ST_OK);
	ck_assert_uint_le(bytes_read, m.n + 8192);
	free(more);
	free(t.p);
	free(m.p);
}
END_TEST

Suite *suite_jpeg(void)
{
	Suite *s = suite_create("jpeg");
	TCase *t = tcase_create("jpeg");

	tcase_add_checked_fixture(t, jpegtest_open, jpegtest_close);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, equals_libjpeg_used_in_the_ordinary_way, 0,
			    KINDS);
	tcase_add_loop_test(t, a_byte_at_a_time_gives_the_same_picture, 0,
			    KINDS);
	tcase_add_loop_test(t, what_the_pool_held_before_never_shows, 0, KINDS);
	tcase_add_test(
		t, the_scale_is_the_largest_that_fits_beside_what_must_be_kept);
	tcase_add_test(t, a_long_side_is_scaled_down_or_refused);
	tcase_add_loop_test(t, all_eight_orientations_come_out_upright, 1, 9);
	tcase_add_test(t, an_orientation_between_scans_is_ignored);
	tcase_add_test(t, cmyk_becomes_the_colours_it_prints);
	tcase_add_test(t, every_pixel_of_cmyk_follows_from_its_inks);
	tcase_add_test(t,
		       a_picture_without_huffman_tables_uses_the_standard_ones);
	tcase_add_test(t, what_follows_the_last_pixel_is_left_unread);
	suite_add_tcase(s, t);
	return s;
}
