/* The eight EXIF orientations, by what the standard says the stored picture's
 * first row and first column are in the upright one. */
#include "runner.h"

#include <stdbool.h>

#include "image/image.h"
#include "image/orient.h"

#define WIDTH  5 /* of the stored picture */
#define HEIGHT 3

Suite *suite_orient(void);

static uint8_t pixels[WIDTH * HEIGHT * 4];

/* Where the stored first row and first column lie in the upright picture. */
static const struct {
	bool swapped;	 /* stored rows are upright columns */
	bool from_right; /* upright x counts from the right end */
	bool from_below; /* upright y counts from the bottom */
} meaning[9] = {
	[1] = { false, false, false }, /* row 0 is the top, column 0 left */
	[2] = { false, true, false },  /* top, right */
	[3] = { false, true, true },   /* bottom, right */
	[4] = { false, false, true },  /* bottom, left */
	[5] = { true, false, false },  /* left, top */
	[6] = { true, true, false },   /* right, top */
	[7] = { true, true, true },    /* right, bottom */
	[8] = { true, false, true },   /* left, bottom */
};

static void assert_maps(unsigned orientation, unsigned as)
{
	bool swapped = meaning[as].swapped;
	struct image img = { .rgb = pixels,
			     .width_px = swapped ? HEIGHT : WIDTH,
			     .height_px = swapped ? WIDTH : HEIGHT };
	struct orient_layout to;

	img.stride_bytes = img.width_px * 3 + 2; /* rows may be padded */
	to = orient_layout(img.rgb, img.width_px, img.height_px,
			   img.stride_bytes, IMAGE_CHANNELS, orientation);
	for (unsigned y = 0; y < HEIGHT; y++)
		for (unsigned x = 0; x < WIDTH; x++) {
			unsigned ux = swapped ? y : x, uy = swapped ? x : y;
			const uint8_t *want, *have;

			if (meaning[as].from_right)
				ux = img.width_px - 1 - ux;
			if (meaning[as].from_below)
				uy = img.height_px - 1 - uy;
			want = pixels + uy * img.stride_bytes + 3u * ux;
			have = to.base + (ptrdiff_t)x * to.dx +
			       (ptrdiff_t)y * to.dy;
			ck_assert_int_eq(have - pixels, want - pixels);
		}
}

START_TEST(each_orientation_puts_every_pixel_upright)
{
	assert_maps((unsigned)_i, (unsigned)_i);
}
END_TEST

START_TEST(orientation_without_meaning_counts_as_upright)
{
	assert_maps(0, 1);
	assert_maps(9, 1);
	assert_maps(65535, 1);
}
END_TEST

Suite *suite_orient(void)
{
	Suite *suite = suite_create("orient");
	TCase *layout = tcase_create("layout");

	tcase_add_loop_test(layout, each_orientation_puts_every_pixel_upright,
			    1, 9);
	tcase_add_test(layout, orientation_without_meaning_counts_as_upright);
	suite_add_tcase(suite, layout);
	return suite;
}
