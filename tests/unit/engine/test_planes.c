/* Pictures held in planes: the pixels of RGB where the file has such planes,
 * and nearly those where it has finer ones. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "jpegtest.h"

Suite *suite_planes(void);

/* Decodes beside so much that planes fit at full size, and RGB does not. */
static void decode_to_planes(struct made m, int width, int height)
{
	size_t bytes = (size_t)image_planes_bytes((uint32_t)width,
						  (uint32_t)height);

	arena_release(&pool, (struct arena_mark){ 0, 0 });
	memset(pool_memory, 0xa5, POOL_BYTES);
	bytes = (bytes + 63) / 64 * 64;
	ck_assert_msg(decode_with(m.p, m.n, SIZE_MAX, POOL_BYTES - bytes,
				  &usual) == ST_OK,
		      "%s", err.text);
	ck_assert_ptr_null(img.rgb);
	ck_assert_uint_eq(info.work_width_px, info.width_px);
	ck_assert_uint_eq(img.width_px, info.width_px);
	ck_assert_uint_eq(img.height_px, info.height_px);
}

/* Pixel (x, y) of the file in the upright picture. */
static void upright(unsigned o, uint32_t w, uint32_t h, uint32_t x, uint32_t y,
		    uint32_t *u, uint32_t *v)
{
	const uint32_t r = w - 1 - x, b = h - 1 - y;
	const uint32_t us[8] = { x, r, r, x, y, b, b, y };
	const uint32_t vs[8] = { y, y, b, b, x, x, r, r };

	*u = us[o - 1];
	*v = vs[o - 1];
}

START_TEST(planes_give_the_bits_of_rgb_in_all_eight_orientations)
{
	static const int sizes[][2] = {
		{ 48, 32 }, { 47, 31 }, { 47, 32 }, { 48, 31 }, { 331, 75 }
	};
	unsigned o = (unsigned)_i;

	for (size_t k = 0; k < 5; k++) {
		int w = sizes[k][0], h = sizes[k][1];
		struct made m = make((struct recipe){ SIZED(w, h, JCS_YCbCr),
						      .noise = true,
						      .progressive = k % 2 });
		uint8_t *want = reference(m.p, m.n, 8);
		struct made t = replaced(m, 2, 0, turn_segment(o), TURN_BYTES);

		decode_to_planes(t, w, h);
		for (uint32_t y = 0; y < (uint32_t)h; y++)
			for (uint32_t x = 0; x < (uint32_t)w; x++) {
				uint8_t buf[3];
				uint32_t u, v;

				upright(o, (uint32_t)w, (uint32_t)h, x, y, &u,
					&v);
				ck_assert_mem_eq(
					image_row(&img, u, v, 1, buf),
					want + (y * (uint32_t)w + x) * 3, 3);
			}
		free(t.p);
		free(want);
		free(m.p);
	}
}
END_TEST

START_TEST(any_span_of_a_row_has_the_pixels_of_the_whole)
{
	struct made m = make(
		(struct recipe){ SIZED(700, 41, JCS_YCbCr), .noise = true });
	uint8_t *want = reference(m.p, m.n, 8);

	decode_to_planes(m, 700, 41);
	for (int k = 0; k < 2000; k++) {
		uint8_t buf[IMAGE_SPAN_MAX * 3];
		uint32_t n = 1 + rnd() % IMAGE_SPAN_MAX;
		uint32_t x = rnd() % (700 - n + 1), y = rnd() % 41;

		ck_assert_mem_eq(image_row(&img, x, y, n, buf),
				 want + (y * 700 + x) * 3, (size_t)n * 3);
	}
	free(want);
	free(m.p);
}
END_TEST

/* Finer colours are averaged over each cell: a photograph's hardly change. */
START_TEST(finer_colours_are_nearly_kept)
{
	static const int samplings[][2] = { { 1, 1 }, { 2, 1 }, { 1, 2 } };
	struct image photograph = load_photo("tests/data/faces/obama-720p.jpg",
					     2);
	const uint32_t w = 319, h = 179;

	for (size_t k = 0; k < 3; k++) {
		struct recipe r = { SIZED((int)w, (int)h, JCS_YCbCr),
				    .photo = &photograph };
		struct made m;
		uint8_t *want;
		double sum = 0;

		for (int c = 0; c < 3; c++)
			for (int i = 0; i < 2; i++)
				r.sampling[c][i] = c == 0 ? samplings[k][i] : 1;
		m = make(r);
		want = reference(m.p, m.n, 8);
		decode_to_planes(m, (int)w, (int)h);
		for (uint32_t y = 0; y < h; y++)
			for (uint32_t x = 0; x < w; x++) {
				uint8_t buf[3];
				const uint8_t *p = image_row(&img, x, y, 1,
							     buf);

				for (int c = 0; c < 3; c++)
					sum += abs(p[c] - want[(y * w + x) * 3 +
							       (uint32_t)c]);
			}
		ck_assert_double_lt(sum / (w * h * 3), 1.5);
		free(want);
		free(m.p);
	}
	free(photograph.rgb);
}
END_TEST

START_TEST(a_plain_colour_stays_what_it_is)
{
	const uint8_t colour[3] = { 200, 90, 30 };

	for (unsigned scale = 8; scale >= 1; scale--) {
		struct made m = make((struct recipe){
			SIZED(320, 240, JCS_YCbCr), .solid = colour });
		size_t bytes = (size_t)image_planes_bytes(40 * scale,
							  30 * scale);
		uint8_t buf[3];
		const uint8_t *p;
		int worst = 0;

		arena_release(&pool, (struct arena_mark){ 0, 0 });
		memset(pool_memory, 0xa5, POOL_BYTES);
		bytes = (bytes + 63) / 64 * 64;
		ck_assert_uint_eq(decode_with(m.p, m.n, SIZE_MAX,
					      POOL_BYTES - bytes, &usual),
				  ST_OK);
		ck_assert_ptr_null(img.rgb);
		ck_assert_uint_eq(img.width_px, 40 * scale);
		for (uint32_t y = 0; y < img.height_px; y++)
			for (uint32_t x = 0; x < img.width_px; x++) {
				p = image_row(&img, x, y, 1, buf);
				for (int c = 0; c < 3; c++) {
					int d = abs(p[c] - colour[c]);

					worst = d > worst ? d : worst;
				}
			}
		ck_assert_int_le(worst, 2);
		free(m.p);
	}
}
END_TEST

Suite *suite_planes(void)
{
	Suite *s = suite_create("planes");
	TCase *t = tcase_create("planes");

	tcase_add_checked_fixture(t, jpegtest_open_planes, jpegtest_close);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(
		t, planes_give_the_bits_of_rgb_in_all_eight_orientations, 1, 9);
	tcase_add_test(t, any_span_of_a_row_has_the_pixels_of_the_whole);
	tcase_add_test(t, finer_colours_are_nearly_kept);
	tcase_add_test(t, a_plain_colour_stays_what_it_is);
	suite_add_tcase(s, t);
	return s;
}
