#include "jpegtest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct arena pool;
uint8_t *pool_memory;
static uint8_t *decoder_memory;
struct jpeg_decoder *decoder;
const struct jpeg_limits usual = { 8192, 50000000, 64, false };
static uint32_t state;

uint32_t rnd(void)
{
	state = state * 1664525u + 1013904223u;
	return state >> 8;
}

void jpegtest_open(void)
{
	state = 4711;
	pool_memory = aligned_alloc(64, POOL_BYTES);
	decoder_memory = aligned_alloc(64, jpeg_decoder_bytes());
	arena_init(&pool, pool_memory, POOL_BYTES);
	ck_assert_uint_eq(jpeg_decoder_open(decoder_memory, &decoder, NULL),
			  ST_OK);
}

void jpegtest_close(void)
{
	jpeg_decoder_close(decoder);
	free(pool_memory);
	free(decoder_memory);
}

/* Smooth colours with some noise: something a JPEG codes faithfully. */
void fill(uint8_t *row, int y, const struct recipe *r, int comps)
{
	for (int x = 0; x < r->width; x++)
		for (int c = 0; c < comps; c++) {
			int v = (x * (c + 1) * 200 / r->width +
				 y * (3 - c) * 100 / r->height) &
				255;

			row[x * comps + c] =
				(uint8_t)(r->noise ? (int)(rnd() & 255) : v);
		}
}

struct made make(struct recipe r)
{
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr e;
	struct made m = { NULL, 0 };
	int comps = r.space == JCS_GRAYSCALE			 ? 1
		    : r.space == JCS_CMYK || r.space == JCS_YCCK ? 4
								 : 3;
	uint8_t *row = malloc((size_t)r.width * 4);
	JSAMPROW rows[1] = { row };

	c.err = jpeg_std_error(&e);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &m.p, &m.n);
	c.image_width = (JDIMENSION)r.width;
	c.image_height = (JDIMENSION)r.height;
	c.input_components = comps;
	c.in_color_space = comps == 1	? JCS_GRAYSCALE
			   : comps == 4 ? JCS_CMYK
					: JCS_RGB;
	jpeg_set_defaults(&c);
	jpeg_set_colorspace(&c, r.space);
	jpeg_set_quality(&c, 92, TRUE);
	if (r.h_sampling) {
		c.comp_info[0].h_samp_factor = r.h_sampling;
		c.comp_info[0].v_samp_factor = 1;
	}
	if (r.progressive)
		jpeg_simple_progression(&c);
	jpeg_start_compress(&c, TRUE);
	for (int y = 0; y < r.height; y++) {
		fill(row, y, &r, comps);
		jpeg_write_scanlines(&c, rows, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	free(row);
	return m;
}

struct memory {
	const uint8_t *p;
	size_t n, at, step;
};

static ssize_t read_memory(void *ctx, uint8_t *buf, size_t cap)
{
	struct memory *m = ctx;
	size_t n = m->n - m->at;

	n = n < cap ? n : cap;
	n = n < m->step ? n : m->step;
	memcpy(buf, m->p + m->at, n);
	m->at += n;
	return (ssize_t)n;
}

struct errinfo err;
struct image img;
struct picture_info info;

enum status decode_with(const uint8_t *p, size_t n, size_t step, size_t keep,
			const struct jpeg_limits *lim)
{
	struct memory m = { p, n, 0, step };
	struct byte_source src = { read_memory, &m };
	struct arena_mark before = arena_get_mark(&pool), after;
	enum status st;

	err_clear(&err);
	arena_reset_peak(&pool);
	st = jpeg_decode(decoder, &pool, keep, 1600, lim, &src, &img, &info,
			 &err);
	after = arena_get_mark(&pool);
	ck_assert_uint_eq(before.tail, after.tail);
	if (st != ST_OK) {
		ck_assert_uint_eq(before.head, after.head);
		ck_assert_uint_eq(err.status, st);
	}
	return st;
}

enum status decode(const uint8_t *p, size_t n)
{
	enum status st = decode_with(p, n, SIZE_MAX, 0, &usual);

	if (st == ST_OK)
		arena_release(&pool, (struct arena_mark){ 0, 0 });
	return st;
}

/* The ordinary way, to RGB, at a scale. */
uint8_t *reference(const uint8_t *p, size_t n, unsigned scale)
{
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr e;
	uint8_t *rgb, *row;

	c.err = jpeg_std_error(&e);
	jpeg_create_decompress(&c);
	jpeg_mem_src(&c, p, n);
	jpeg_read_header(&c, TRUE);
	c.out_color_space = JCS_RGB;
	c.scale_num = scale;
	c.scale_denom = 8;
	jpeg_start_decompress(&c);
	rgb = malloc((size_t)c.output_width * c.output_height * 3);
	while (c.output_scanline < c.output_height) {
		row = rgb + (size_t)c.output_scanline * c.output_width * 3;
		jpeg_read_scanlines(&c, &row, 1);
	}
	jpeg_destroy_decompress(&c);
	return rgb;
}

/* A picture with one segment put in right after its start. */
struct made with_segment(struct made m, const uint8_t *seg, size_t n)
{
	struct made out = { malloc(m.n + n), m.n + n };

	memcpy(out.p, m.p, 2);
	memcpy(out.p + 2, seg, n);
	memcpy(out.p + 2 + n, m.p + 2, m.n - 2);
	return out;
}

const struct recipe photo = { .width = 640, .height = 480, .space = JCS_YCbCr };
