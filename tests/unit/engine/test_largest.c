/* The search that ends at the largest face: what it leaves out, and that it
 * changes nothing else. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "face/mtcnn.h"
#include "golden.h"
#include "jpegtest.h"

Suite *suite_largest(void);

#define WIDTH	  640
#define HEIGHT	  480
#define FACES_MAX 64

static uint8_t pixels[WIDTH * HEIGHT * 3];
static const struct image canvas = { .rgb = pixels,
				     .width_px = WIDTH,
				     .height_px = HEIGHT,
				     .stride_bytes = WIDTH * 3 };
static struct model model;

static void open_model(void)
{
	ck_assert_uint_eq(
		model_open(&model, golden_path("models/mtcnn.fgm"), NULL),
		ST_OK);
	memset(pixels, 128, sizeof(pixels));
}

static void close_model(void)
{
	model_close(&model);
}

/* Puts a window of a photograph on the canvas, at a scale of eighths: the face
 * of obama.jpg is 29 pixels wide for each. A window of size 0 is all of it. */
static void put_part(const char *name, unsigned scale, uint32_t from_x,
		     uint32_t from_y, uint32_t w, uint32_t h, uint32_t x,
		     uint32_t y)
{
	char path[256];
	struct image p;

	snprintf(path, sizeof(path), "tests/data/faces/%s", name);
	p = load_photo(path, scale);
	w = w ? w : p.width_px;
	h = h ? h : p.height_px;
	for (uint32_t i = 0; i < h && y + i < HEIGHT; i++) {
		uint32_t n = x + w < WIDTH ? w : WIDTH - x;

		memcpy(pixels + ((y + i) * WIDTH + x) * 3,
		       p.rgb + (from_y + i) * p.stride_bytes + from_x * 3,
		       n * 3);
	}
	free(p.rgb);
}

static void put(const char *name, unsigned scale, uint32_t x, uint32_t y)
{
	put_part(name, scale, 0, 0, 0, 0, x, y);
}

struct found {
	struct face face[FACES_MAX];
	size_t count;
};

static struct found find_with(const struct k_table *k, enum mtcnn_goal goal,
			      bool much_memory)
{
	struct found f = { .count = 0 };
	struct mtcnn d;
	struct arena a;
	size_t bytes = 1u << 20;
	void *memory = aligned_alloc(ARENA_ALIGN, bytes);

	ck_assert_uint_eq(mtcnn_open(&d, &model, k, 20, NULL), ST_OK);
	arena_init(&a, memory, much_memory ? bytes : d.scratch_bytes);
	ck_assert_uint_eq(mtcnn_run(&d, &a, &canvas, goal, f.face, FACES_MAX,
				    &f.count, NULL),
			  ST_OK);
	free(memory);
	return f;
}

static struct found find(enum mtcnn_goal goal)
{
	return find_with(k_select(NULL), goal, true);
}

static const struct face *widest(const struct found *f)
{
	const struct face *w = &f->face[0];

	ck_assert_uint_ge(f->count, 1);
	for (size_t i = 1; i < f->count; i++)
		if (f->face[i].box[2] > w->box[2])
			w = &f->face[i];
	return w;
}

START_TEST(a_large_face_is_the_same_and_a_small_one_is_not_looked_for)
{
	struct found all, largest;

	put("obama.jpg", 5, 0, 0);
	put("obama-240p.jpg", 4, 400, 340);
	all = find(MTCNN_ALL);
	largest = find(MTCNN_LARGEST);
	ck_assert_uint_eq(all.count, 2);
	ck_assert_uint_eq(largest.count, 1);
	ck_assert_mem_eq(&largest.face[0], widest(&all), sizeof(struct face));
}
END_TEST

/* Or a door would not notice the second person. */
START_TEST(a_face_of_similar_size_is_found_too)
{
	struct found all, largest;

	put("obama.jpg", 4, 0, 0);
	put("obama.jpg", 3, 350, 100);
	all = find(MTCNN_ALL);
	largest = find(MTCNN_LARGEST);
	ck_assert_uint_eq(all.count, 2);
	ck_assert_uint_eq(largest.count, 2);
	ck_assert_mem_eq(widest(&largest), widest(&all), sizeof(struct face));
	/* A smaller window may draw the smaller one a little otherwise. */
	ck_assert_float_eq_tol(largest.face[1].box[2], all.face[1].box[2],
			       0.05f * all.face[1].box[2]);
}
END_TEST

START_TEST(where_no_face_is_large_every_face_is_found)
{
	struct found all, largest;

	put("obama.jpg", 1, 0, 0);
	put("biden.jpg", 1, 400, 300);
	all = find(MTCNN_ALL);
	largest = find(MTCNN_LARGEST);
	ck_assert_uint_ge(all.count, 2);
	ck_assert_mem_eq(&largest, &all, sizeof(all));
	memset(pixels, 128, sizeof(pixels));
	ck_assert_uint_eq(find(MTCNN_LARGEST).count, 0);
}
END_TEST

/* The most certain ones may be others. */
START_TEST(of_more_faces_than_can_be_told_the_largest_are)
{
	struct found f;

	for (uint32_t y = 0; y < HEIGHT; y += 48)
		for (uint32_t x = 0; x < WIDTH; x += 44)
			put_part("obama.jpg", 1, 40, 6, 44, 48, x, y);
	put_part("obama.jpg", 2, 80, 12, 88, 96, 264, 192);
	f = find(MTCNN_ALL);
	ck_assert_uint_eq(f.count, FACES_MAX);
	ck_assert_float_ge(f.face[0].box[2], 50);
	for (size_t i = 1; i < f.count; i++)
		ck_assert_float_le(f.face[i].box[2] * f.face[i].box[3],
				   f.face[i - 1].box[2] * f.face[i - 1].box[3]);
}
END_TEST

/* R-Net looks at a bounded number of candidates: the best ones of all. */
START_TEST(in_a_crowd_every_face_is_found)
{
	struct found all, largest;

	for (uint32_t y = 0; y < HEIGHT; y += 60)
		for (uint32_t x = 0; x < WIDTH; x += 80)
			put("obama.jpg", 1, x, y);
	all = find(MTCNN_ALL);
	largest = find(MTCNN_LARGEST);
	ck_assert_uint_ge(all.count, 32);
	ck_assert_mem_eq(&largest, &all, sizeof(all));
}
END_TEST

START_TEST(levels_of_kernels_and_sizes_of_memory_give_the_same_bits)
{
	const struct k_table *levels[K_LEVELS_MAX];
	size_t n = k_available(levels);
	struct found first, other;

	put("obama2.jpg", 3, 100, 0);
	put("biden2.jpg", 1, 450, 300);
	first = find_with(levels[0], MTCNN_LARGEST, true);
	ck_assert_uint_ge(first.count, 1);
	for (size_t i = 0; i < n; i++) {
		other = find_with(levels[i], MTCNN_LARGEST, false);
		ck_assert_mem_eq(&first, &other, sizeof(first));
	}
}
END_TEST

Suite *suite_largest(void)
{
	Suite *s = suite_create("largest");
	TCase *t = tcase_create("largest");

	tcase_add_checked_fixture(t, open_model, close_model);
	tcase_set_timeout(t, 120);
	tcase_add_test(
		t, a_large_face_is_the_same_and_a_small_one_is_not_looked_for);
	tcase_add_test(t, a_face_of_similar_size_is_found_too);
	tcase_add_test(t, where_no_face_is_large_every_face_is_found);
	tcase_add_test(t, of_more_faces_than_can_be_told_the_largest_are);
	tcase_add_test(t, in_a_crowd_every_face_is_found);
	tcase_add_test(
		t, levels_of_kernels_and_sizes_of_memory_give_the_same_bits);
	suite_add_tcase(s, t);
	return s;
}
