#include "image/jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "checked.h"
#include "image/exif.h"
#include "image/jmem.h"
#include "image/orient.h"

#define INPUT_BYTES 8192
#define SCALE_DENOM 8
/* What a decode takes besides rows and coefficients: Huffman look-up tables,
 * colour tables, range limits, controllers. Measured at 34 KiB at most. */
#define FIXED_BYTES 49152

struct jpeg_decoder {
	struct jpeg_decompress_struct cinfo;
	struct jpeg_error_mgr errors;
	struct jpeg_source_mgr source;
	struct jpeg_progress_mgr progress;
	struct jpeg_memory_mgr *library_mem;
	struct jmem mem;
	jmp_buf escape;
	/* the request */
	const struct byte_source *src;
	const struct jpeg_limits *limits;
	struct errinfo *err;
	enum status status; /* of the failure that longjmp carries */
	size_t room_bytes;
	unsigned warnings;
	unsigned orientation;
	bool any_byte;
	uint8_t input[INPUT_BYTES];
	uint8_t exif[EXIF_BYTES_MAX];
};

static struct jpeg_decoder *self(const void *cinfo)
{
	/* cinfo is the decoder's first member. */
	return (struct jpeg_decoder *)(uintptr_t)cinfo;
}

/* ---- errors ---- */

static void fail(struct jpeg_decoder *d, enum status st)
{
	d->status = st;
	longjmp(d->escape, 1);
}

static void fail_corrupt(struct jpeg_decoder *d, const char *what)
{
	fail(d, err_set(d->err, ST_CORRUPT_JPEG, "JPEG data is damaged: %s",
			what));
}

static void fail_unsupported(struct jpeg_decoder *d, const char *feature)
{
	fail(d, err_set(d->err, ST_UNSUPPORTED_JPEG,
			"JPEG feature is not supported: %s", feature));
}

static void on_error(j_common_ptr cinfo)
{
	struct jpeg_decoder *d = self(cinfo);
	char text[JMSG_LENGTH_MAX];

	switch (cinfo->err->msg_code) {
	case JERR_OUT_OF_MEMORY:
		fail(d, err_limit(d->err, ST_PICTURE_TOO_LARGE,
				  (int64_t)d->room_bytes, ERR_NO_NUMBER,
				  "decoding needs more than the pool's %zu "
				  "bytes",
				  d->room_bytes));
		break;
	case JERR_IMAGE_TOO_BIG:
		fail(d, err_set(d->err, ST_PICTURE_TOO_LARGE,
				"a side of the picture is too long"));
		break;
	case JERR_NO_SOI:
		fail(d, err_set(d->err, ST_NOT_A_JPEG,
				"the data does not start like a JPEG"));
		break;
	case JERR_SOF_UNSUPPORTED:
		fail_unsupported(d, "lossless or hierarchical coding");
		break;
	case JERR_ARITH_NOTIMPL:
		fail_unsupported(d, "arithmetic coding");
		break;
	case JERR_BAD_PRECISION:
		fail_unsupported(d, "samples of other than 8 bits");
		break;
	case JERR_CONVERSION_NOTIMPL:
	case JERR_CCIR601_NOTIMPL:
	case JERR_FRACT_SAMPLE_NOTIMPL:
	case JERR_BAD_J_COLORSPACE:
		fail_unsupported(d, "this colour space or sampling");
		break;
	default:
		cinfo->err->format_message(cinfo, text);
		text[100] = '\0';
		fail_corrupt(d, text);
	}
}

/* Level -1 is a warning: the decoder went on, at a price. Stray bytes between
 * segments (webcams pad their frames) and odd version numbers cost no pixel;
 * everything else means that pixels are made up. */
static void on_message(j_common_ptr cinfo, int level)
{
	struct jpeg_decoder *d = self(cinfo);
	char text[JMSG_LENGTH_MAX];

	if (level != -1)
		return;
	switch (cinfo->err->msg_code) {
	case JWRN_EXTRANEOUS_DATA:
	case JWRN_ADOBE_XFORM:
	case JWRN_JFIF_MAJOR:
	case JWRN_TOO_MUCH_DATA:
	case JWRN_BOGUS_ICC:
		d->warnings++;
		if (!d->limits->strict)
			return;
		break;
	default:
		break;
	}
	cinfo->err->format_message(cinfo, text);
	text[100] = '\0';
	fail_corrupt(d, text);
}

static void no_output(j_common_ptr cinfo)
{
	(void)cinfo;
}

/* ---- bytes in ---- */

static void source_init(j_decompress_ptr cinfo)
{
	(void)cinfo;
}

static boolean source_fill(j_decompress_ptr cinfo)
{
	struct jpeg_decoder *d = self(cinfo);
	ssize_t n = d->src->read(d->src->ctx, d->input, INPUT_BYTES);

	if (n < 0)
		fail(d, err_set(d->err, (enum status) - n,
				"the picture did not arrive whole"));
	if (n == 0 && !d->any_byte)
		fail(d,
		     err_set(d->err, ST_BAD_REQUEST, "the picture is empty"));
	if (n == 0)
		fail_corrupt(d, "it ends too early");
	d->any_byte = true;
	d->source.next_input_byte = d->input;
	d->source.bytes_in_buffer = (size_t)n;
	return TRUE;
}

static void source_skip(j_decompress_ptr cinfo, long bytes)
{
	struct jpeg_source_mgr *s = cinfo->src;
	size_t left = bytes > 0 ? (size_t)bytes : 0;

	while (left > s->bytes_in_buffer) {
		left -= s->bytes_in_buffer;
		source_fill(cinfo);
	}
	s->next_input_byte += left;
	s->bytes_in_buffer -= left;
}

static unsigned next_byte(j_decompress_ptr cinfo)
{
	struct jpeg_source_mgr *s = cinfo->src;

	if (s->bytes_in_buffer == 0)
		source_fill(cinfo);
	s->bytes_in_buffer--;
	return *s->next_input_byte++;
}

/* APP1: keeps the first bytes for EXIF and skips the rest unseen. */
static boolean on_app1(j_decompress_ptr cinfo)
{
	struct jpeg_decoder *d = self(cinfo);
	unsigned length = next_byte(cinfo) << 8;
	size_t n;

	length |= next_byte(cinfo);
	if (length < 2)
		fail_corrupt(d, "segment length");
	length -= 2;
	n = length < EXIF_BYTES_MAX ? length : EXIF_BYTES_MAX;
	for (size_t i = 0; i < n; i++)
		d->exif[i] = (uint8_t)next_byte(cinfo);
	source_skip(cinfo, (long)(length - n));
	if (n >= 6 && memcmp(d->exif, "Exif\0", 6) == 0)
		d->orientation = exif_orientation(d->exif, n);
	return TRUE;
}

/* Called between rows of every scan: the only brake on a file that repeats
 * tiny scans. */
static void on_progress(j_common_ptr cinfo)
{
	struct jpeg_decoder *d = self(cinfo);
	int scans = d->cinfo.input_scan_number;

	if (scans > (int)d->limits->max_scans)
		fail(d, err_limit(d->err, ST_CORRUPT_JPEG, d->limits->max_scans,
				  scans, "JPEG has more than %u scans",
				  d->limits->max_scans));
}

/* ---- life ---- */

size_t jpeg_decoder_bytes(void)
{
	return align_up(sizeof(struct jpeg_decoder), ARENA_ALIGN);
}

enum status jpeg_decoder_open(void *mem, struct jpeg_decoder **out,
			      struct errinfo *err)
{
	struct jpeg_decoder *d = mem;

	memset(d, 0, sizeof(*d));
	d->cinfo.err = jpeg_std_error(&d->errors);
	d->errors.error_exit = on_error;
	d->errors.emit_message = on_message;
	d->errors.output_message = no_output;
	d->err = err;
	if (setjmp(d->escape) != 0) {
		jpeg_destroy_decompress(&d->cinfo);
		return err_set(err, ST_NO_MEMORY, "no memory for a decoder");
	}
	/* The one place where libjpeg still mallocs: a few KiB, at start. */
	jpeg_create_decompress(&d->cinfo);
	d->source.init_source = source_init;
	d->source.fill_input_buffer = source_fill;
	d->source.skip_input_data = source_skip;
	d->source.resync_to_restart = jpeg_resync_to_restart;
	d->source.term_source = source_init;
	d->cinfo.src = &d->source;
	d->progress.progress_monitor = on_progress;
	d->cinfo.progress = &d->progress;
	jpeg_set_marker_processor(&d->cinfo, JPEG_APP0 + 1, on_app1);
	d->library_mem = d->cinfo.mem;
	jmem_init(&d->mem);
	d->cinfo.mem = &d->mem.mgr;
	*out = d;
	return ST_OK;
}

void jpeg_decoder_close(struct jpeg_decoder *d)
{
	if (d == NULL)
		return;
	d->cinfo.mem = d->library_mem;
	jpeg_destroy_decompress(&d->cinfo);
}

/* ---- planning ---- */

static size_t coefficient_bytes(j_decompress_ptr cinfo)
{
	size_t sum = 0;

	if (!jpeg_has_multiple_scans(cinfo))
		return 0;
	for (int i = 0; i < cinfo->num_components; i++) {
		const jpeg_component_info *c = &cinfo->comp_info[i];
		size_t h = (size_t)c->h_samp_factor,
		       v = (size_t)c->v_samp_factor;
		size_t across = (c->width_in_blocks + h - 1) / h * h;
		size_t down = (c->height_in_blocks + v - 1) / v * v;

		/* Sizes are below 65536 px: no overflow. */
		sum += align_up(across * sizeof(JBLOCK), 64) * down +
		       align_up(down * sizeof(void *), 64);
	}
	return sum;
}

/* An upper bound for the rows that the decoder holds at the current scale. */
static size_t row_bytes(j_decompress_ptr cinfo)
{
	size_t sum = FIXED_BYTES;
	size_t up = align_up(cinfo->output_width +
				     (size_t)cinfo->max_h_samp_factor * 8,
			     64) *
		    (size_t)cinfo->max_v_samp_factor;

	for (int i = 0; i < cinfo->num_components; i++) {
		const jpeg_component_info *c = &cinfo->comp_info[i];
		size_t wide = align_up((size_t)c->width_in_blocks *
					       (size_t)c->DCT_scaled_size,
				       64);
		size_t rows = (size_t)c->v_samp_factor *
			      ((size_t)c->DCT_scaled_size + 8);

		sum += (wide + 64) * rows + up;
	}
	/* One finished row, before it is turned upright. */
	return sum + align_up((size_t)cinfo->output_width *
				      (size_t)cinfo->output_components,
			      64);
}

static void check_header(struct jpeg_decoder *d)
{
	j_decompress_ptr cinfo = &d->cinfo;
	const struct jpeg_limits *lim = d->limits;
	uint32_t longest = cinfo->image_width > cinfo->image_height
				   ? cinfo->image_width
				   : cinfo->image_height;
	uint64_t pixels = (uint64_t)cinfo->image_width * cinfo->image_height;

	if (cinfo->arith_code)
		fail_unsupported(d, "arithmetic coding");
	if (longest > lim->max_width_px)
		fail(d, err_limit(d->err, ST_PICTURE_TOO_LARGE,
				  lim->max_width_px, longest,
				  "picture is %u x %u pixels, the longest side "
				  "may have %u",
				  cinfo->image_width, cinfo->image_height,
				  lim->max_width_px));
	if (pixels > lim->max_pixels)
		fail(d, err_limit(d->err, ST_PICTURE_TOO_LARGE,
				  (int64_t)lim->max_pixels, (int64_t)pixels,
				  "picture has %llu pixels, %llu are allowed",
				  (unsigned long long)pixels,
				  (unsigned long long)lim->max_pixels));
}

/* Chooses the largest scale that fits; see jpeg_decode in the header. */
static void choose_scale(struct jpeg_decoder *d, size_t keep_bytes,
			 uint32_t side_max_px)
{
	j_decompress_ptr cinfo = &d->cinfo;
	size_t room = d->room_bytes;
	size_t coefs = coefficient_bytes(cinfo), need = 0;

	for (unsigned m = SCALE_DENOM; m >= 1; m--) {
		size_t picture, decoder;

		cinfo->scale_num = m;
		cinfo->scale_denom = SCALE_DENOM;
		jpeg_calc_output_dimensions(cinfo);
		picture = align_up((size_t)cinfo->output_width *
					   cinfo->output_height *
					   IMAGE_CHANNELS,
				   ARENA_ALIGN);
		decoder = picture + coefs + row_bytes(cinfo);
		need = picture + keep_bytes > decoder ? picture + keep_bytes
						      : decoder;
		if (need <= room && cinfo->output_width <= side_max_px &&
		    cinfo->output_height <= side_max_px)
			return;
	}
	if (need <= room)
		fail(d, err_limit(d->err, ST_PICTURE_TOO_LARGE, side_max_px,
				  ERR_NO_NUMBER,
				  "picture is too long to be scaled to %u "
				  "pixels",
				  side_max_px));
	fail(d, err_limit(d->err, ST_PICTURE_TOO_LARGE, (int64_t)room,
			  (int64_t)need,
			  "decoding a %u x %u %s JPEG needs %zu bytes, the "
			  "pool has %zu",
			  cinfo->image_width, cinfo->image_height,
			  coefs ? "progressive" : "baseline", need, room));
}

/* ---- rows out ---- */

/* CMYK to RGB as ink on white: each colour is what its own ink and black let
 * through. Adobe stores the values inverted, others do not. */
static void cmyk_pixel(const uint8_t *p, int inverted, uint8_t *rgb)
{
	unsigned k = inverted ? p[3] : 255u - p[3];

	for (int i = 0; i < 3; i++) {
		unsigned v = inverted ? p[i] : 255u - p[i];

		rgb[i] = (uint8_t)((v * k + 127) / 255);
	}
}

static void store_rows(struct jpeg_decoder *d, const struct image *img)
{
	j_decompress_ptr cinfo = &d->cinfo;
	struct orient_layout to = orient_layout(img, d->orientation);
	int cmyk = cinfo->out_color_space == JCS_CMYK;
	JSAMPROW row = arena_tail(d->mem.pool,
				  (size_t)cinfo->output_width *
					  (size_t)cinfo->output_components);

	if (row == NULL)
		ERREXIT1(cinfo, JERR_OUT_OF_MEMORY, 0);
	while (cinfo->output_scanline < cinfo->output_height) {
		uint8_t *dst = to.base +
			       (ptrdiff_t)cinfo->output_scanline * to.dy;

		jpeg_read_scanlines(cinfo, &row, 1);
		for (JDIMENSION x = 0; x < cinfo->output_width;
		     x++, dst += to.dx) {
			if (cmyk)
				cmyk_pixel(row + 4 * x, cinfo->saw_Adobe_marker,
					   dst);
			else
				memcpy(dst, row + 3 * x, IMAGE_CHANNELS);
		}
	}
}

static void decode(struct jpeg_decoder *d, struct arena *pool,
		   size_t keep_bytes, uint32_t side_max_px, struct image *out,
		   struct picture_info *info)
{
	j_decompress_ptr cinfo = &d->cinfo;
	bool turned;

	jpeg_read_header(cinfo, TRUE);
	check_header(d);
	cinfo->out_color_space = cinfo->jpeg_color_space == JCS_CMYK ||
						 cinfo->jpeg_color_space ==
							 JCS_YCCK
					 ? JCS_CMYK
					 : JCS_RGB;
	cinfo->dct_method = JDCT_ISLOW;
	cinfo->do_fancy_upsampling = TRUE;
	choose_scale(d, keep_bytes, side_max_px);
	turned = d->orientation >= 5;
	out->width_px = turned ? cinfo->output_height : cinfo->output_width;
	out->height_px = turned ? cinfo->output_width : cinfo->output_height;
	out->stride_bytes = (size_t)out->width_px * IMAGE_CHANNELS;
	out->rgb = arena_head(pool, out->stride_bytes * out->height_px);
	if (out->rgb == NULL)
		ERREXIT1(cinfo, JERR_OUT_OF_MEMORY, 0);
	info->width_px = turned ? cinfo->image_height : cinfo->image_width;
	info->height_px = turned ? cinfo->image_width : cinfo->image_height;
	info->work_width_px = out->width_px;
	info->work_height_px = out->height_px;
	info->orientation = d->orientation;
	info->progressive = cinfo->progressive_mode;
	jpeg_start_decompress(cinfo);
	store_rows(d, out);
	info->warnings = d->warnings;
}

enum status jpeg_decode(struct jpeg_decoder *d, struct arena *pool,
			size_t keep_bytes, uint32_t side_max_px,
			const struct jpeg_limits *limits,
			const struct byte_source *src, struct image *out,
			struct picture_info *info, struct errinfo *err)
{
	struct arena_mark mark = arena_get_mark(pool);

	memset(info, 0, sizeof(*info));
	memset(out, 0, sizeof(*out));
	d->src = src;
	d->limits = limits;
	d->err = err;
	d->status = ST_OK;
	d->room_bytes = arena_room(pool);
	d->warnings = 0;
	d->orientation = 1;
	d->any_byte = false;
	d->source.bytes_in_buffer = 0;
	d->cinfo.err->num_warnings = 0;
	jmem_begin(&d->mem, pool);
	if (setjmp(d->escape) == 0)
		decode(d, pool, keep_bytes, side_max_px, out, info);
	/* Not jpeg_finish_decompress: all pixels are here, and whatever follows
	 * them is of no interest. */
	jpeg_abort_decompress(&d->cinfo);
	jmem_end(&d->mem);
	if (d->status != ST_OK)
		arena_release(pool, mark);
	else
		arena_release(pool, (struct arena_mark){ .head = pool->head,
							 .tail = mark.tail });
	d->src = NULL;
	d->err = NULL;
	return d->status;
}
