#include "jpegtest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

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

static void open_decoder(bool planes)
{
	state = 4711;
	pool_memory = aligned_alloc(64, POOL_BYTES);
	decoder_memory = aligned_alloc(64, jpeg_decoder_bytes());
	arena_init(&pool, pool_memory, POOL_BYTES);
	ck_assert_uint_eq(
		jpeg_decoder_open(decoder_memory, planes, &decoder, NULL),
		ST_OK);
}

void jpegtest_open(void)
{
	open_decoder(false);
}

void jpegtest_open_planes(void)
{
	open_decoder(true);
}

void jpegtest_close(void)
{
	jpeg_decoder_close(decoder);
	free(pool_memory);
	free(decoder_memory);
}

static int pixel_at(const struct image *p, int x, int y, int c)
{
	size_t at = (size_t)y % p->height_px * p->stride_bytes;

	return p->rgb[at + (size_t)x % p->width_px * 3 + (size_t)c];
}

/* Smooth colours are something a JPEG codes faithfully. */
static void fill(uint8_t *row, int y, const struct recipe *r, int comps)
{
	for (int x = 0; x < r->width; x++)
		for (int c = 0; c < comps; c++) {
			const struct image *p = r->photo;
			int v = (x * (c + 1) * 200 / r->width +
				 y * (3 - c) * 100 / r->height) &
				255;

			row[x * comps + c] =
				(uint8_t)(r->solid   ? r->solid[c]
					  : p	     ? pixel_at(p, x, y, c)
					  : r->noise ? (int)(rnd() & 255)
						     : v);
		}
}

static void set_scans(struct jpeg_compress_struct *c, const struct recipe *r)
{
	static jpeg_scan_info scans[4];

	if (r->progressive)
		jpeg_simple_progression(c);
	if (!r->separate)
		return;
	for (int i = 0; i < c->num_components; i++)
		scans[i] = (jpeg_scan_info){ .comps_in_scan = 1,
					     .component_index = { i },
					     .Se = 63 };
	c->scan_info = scans;
	c->num_scans = c->num_components;
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
	c.optimize_coding = r.optimised;
	c.restart_interval = (unsigned)r.restart;
	for (int i = 0; i < comps && r.sampling[0][0]; i++) {
		c.comp_info[i].h_samp_factor = r.sampling[i][0];
		c.comp_info[i].v_samp_factor = r.sampling[i][1];
	}
	set_scans(&c, &r);
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

size_t find_marker(struct made m, unsigned marker, int nth)
{
	for (size_t i = 0; i + 1 < m.n; i++)
		if (m.p[i] == 0xff && m.p[i + 1] == marker && nth-- == 0)
			return i;
	ck_abort_msg("no marker %02x", marker);
	return 0;
}

struct made replaced(struct made m, size_t at, size_t cut, const void *by,
		     size_t n)
{
	struct made out = { malloc(m.n - cut + n), m.n - cut + n };

	memcpy(out.p, m.p, at);
	if (n > 0)
		memcpy(out.p + at, by, n);
	memcpy(out.p + at + n, m.p + at + cut, m.n - at - cut);
	return out;
}

struct made without(struct made m, unsigned marker)
{
	struct made out = { malloc(m.n), 2 };
	size_t at = 2, scan = find_marker(m, 0xda, 0);

	memcpy(out.p, m.p, 2);
	while (at < scan) {
		size_t n = 2u + m.p[at + 2] * 256u + m.p[at + 3];

		if (m.p[at + 1] != marker) {
			memcpy(out.p + out.n, m.p + at, n);
			out.n += n;
		}
		at += n;
	}
	memcpy(out.p + out.n, m.p + scan, m.n - scan);
	out.n += m.n - scan;
	ck_assert_uint_lt(out.n, m.n);
	return out;
}

const uint8_t *turn_segment(unsigned orientation)
{
	static uint8_t seg[TURN_BYTES] = { 0xff, 0xe1, 0, 34,  'E', 'x', 'i',
					   'f',	 0,    0, 'M', 'M', 0,	 42,
					   0,	 0,    0, 8,   0,   1,	 0x01,
					   0x12, 0,    3, 0,   0,   0,	 1 };

	seg[29] = (uint8_t)orientation;
	return seg;
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
size_t bytes_read;

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
	bytes_read = m.at;
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

enum status decode_in(const uint8_t *p, size_t n, size_t pool_bytes)
{
	struct arena big = pool;
	enum status st;

	arena_init(&pool, pool_memory, pool_bytes);
	st = decode(p, n);
	big.peak = pool.peak;
	pool = big;
	return st;
}

static struct image ordinary(const uint8_t *p, size_t n, unsigned scale)
{
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr e;
	struct image out;

	c.err = jpeg_std_error(&e);
	jpeg_create_decompress(&c);
	jpeg_mem_src(&c, p, n);
	jpeg_read_header(&c, TRUE);
	c.out_color_space = c.num_components == 4 ? JCS_CMYK : JCS_RGB;
	c.scale_num = scale;
	c.scale_denom = 8;
	jpeg_start_decompress(&c);
	out.width_px = c.output_width;
	out.height_px = c.output_height;
	out.stride_bytes = (size_t)c.output_width * (size_t)c.output_components;
	out.rgb = malloc(out.stride_bytes * c.output_height);
	while (c.output_scanline < c.output_height) {
		uint8_t *row = out.rgb +
			       (size_t)c.output_scanline * out.stride_bytes;

		jpeg_read_scanlines(&c, &row, 1);
	}
	jpeg_destroy_decompress(&c);
	return out;
}

uint8_t *reference(const uint8_t *p, size_t n, unsigned scale)
{
	return ordinary(p, n, scale).rgb;
}

struct image load_photo(const char *path, unsigned scale)
{
	size_t n;
	uint8_t *p = golden_file(golden_path(path), &n);
	struct image out = ordinary(p, n, scale);

	free(p);
	return out;
}

const struct recipe photo = { .width = 640, .height = 480, .space = JCS_YCbCr };
