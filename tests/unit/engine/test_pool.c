/* What a pool holds: the same answer in any that holds the picture. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "golden.h"
#include "jpegtest.h"

Suite *suite_pool(void);

static uint64_t no_clock(void)
{
	return 0;
}

static ssize_t read_made(void *ctx, uint8_t *buf, size_t cap)
{
	struct made *m = ctx;
	size_t n = m->n < cap ? m->n : cap;

	memcpy(buf, m->p, n);
	m->p += n;
	m->n -= n;
	return (ssize_t)n;
}

/* What a request finds in a picture. */
struct answer {
	struct picture_info info;
	struct face faces[8];
	size_t count;
	struct face_template t;
};

static struct answer answer_in(size_t pool_bytes, struct made m)
{
	char detector[1024], embedder[1024];
	struct engine_options o = {
		.detector_path = detector,
		.embedder_path = embedder,
		.pool_bytes = pool_bytes,
		.workers = 1,
		.gallery_max = 10,
		.jpeg = { 8192, 50000000, 64, false },
		.picture_planes = true,
		.now_us = no_clock,
	};
	struct byte_source src = { read_made, &m };
	struct engine_receipt r;
	struct engine *e;
	struct answer a;

	snprintf(detector, sizeof(detector), "%s",
		 golden_path("models/mtcnn.fgm"));
	snprintf(embedder, sizeof(embedder), "%s",
		 golden_path("models/embedder-accurate.fgm"));
	memset(&a, 0, sizeof(a));
	ck_assert_uint_eq(engine_open(&o, &e, NULL), ST_OK);
	engine_begin(e, 0);
	ck_assert_uint_eq(engine_decode(e, 0, &src, &a.info, NULL), ST_OK);
	ck_assert_uint_eq(engine_detect(e, 0, a.faces, 8, &a.count, NULL),
			  ST_OK);
	ck_assert_uint_ge(a.count, 1);
	ck_assert_uint_eq(engine_embed(e, 0, &a.faces[0], &a.t, NULL), ST_OK);
	engine_receipt(e, 0, &r);
	ck_assert_uint_le(r.pool_peak_bytes, pool_bytes);
	engine_close(e);
	return a;
}

/* A photograph at full size in JPEG's own sampling, luma's factors given. */
static struct made photograph(int width, int height, int factor)
{
	struct image p = load_photo("tests/data/faces/obama-720p.jpg",
				    width > 640 ? 8 : 4);
	struct recipe r = { SIZED(width, height, JCS_YCbCr), .photo = &p };
	struct made m;

	for (int c = 0; c < 3; c++)
		r.sampling[c][0] = r.sampling[c][1] = c == 0 ? factor : 1;
	m = make(r);
	free(p.rgb);
	return m;
}

static void assert_same(size_t pool_bytes, struct made m, uint32_t width,
			uint32_t height)
{
	struct answer small = answer_in(pool_bytes, m);
	struct answer large = answer_in(16u << 20, m);

	ck_assert_uint_eq(small.info.work_width_px, width);
	ck_assert_uint_eq(small.info.work_height_px, height);
	ck_assert_mem_eq(&small, &large, sizeof(small));
	free(m.p);
}

START_TEST(vga_in_one_mebibyte_gives_the_same_bits_as_in_a_larger_pool)
{
	assert_same(1u << 20, photograph(640, 480, 2), 640, 480);
	assert_same(1u << 20, photograph(640, 480, 1), 640, 480);
}
END_TEST

START_TEST(a_picture_1280_wide_in_two_mebibytes_does_too)
{
	assert_same(2u << 20, photograph(1280, 960, 2), 1280, 960);
	assert_same(3u << 19, photograph(1280, 720, 2), 1280, 720);
}
END_TEST

Suite *suite_pool(void)
{
	Suite *s = suite_create("pool");
	TCase *t = tcase_create("pool");

	tcase_set_timeout(t, 120);
	tcase_add_test(
		t, vga_in_one_mebibyte_gives_the_same_bits_as_in_a_larger_pool);
	tcase_add_test(t, a_picture_1280_wide_in_two_mebibytes_does_too);
	suite_add_tcase(s, t);
	return s;
}
