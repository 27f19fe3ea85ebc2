/* JPEG to RGB by libjpeg. All memory is the caller's: struct jpeg_decoder for
 * the worker's life, the arena for the picture's. libjpeg reports failures by
 * a callback that must not return, so they leave by longjmp, which never
 * crosses this file's border. One thread at a time. */
#include "image/jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "checked.h"
#include "image/exif.h"
#include "image/jmem.h"
#include "image/jplan.h"
#include "image/jplanes.h"
#include "image/orient.h"
#include "image/pixels.h"

#define INPUT_BYTES 4096

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
	struct image *out;
	struct picture_info *info;
	size_t room_bytes, keep_bytes;
	uint32_t side_max_px;
	bool planes; /* rather than a smaller picture */
	unsigned warnings;
	unsigned orientation;
	unsigned components; /* a bit for each whose first scan has begun */
	uint8_t input[INPUT_BYTES];
	uint8_t exif[EXIF_BYTES_MAX];
};

static struct jpeg_decoder *self(const void *cinfo)
{
	/* cinfo is the decoder's first member. */
	return (struct jpeg_decoder *)(uintptr_t)cinfo;
}

/* ---- errors ---- */

static _Noreturn void fail(struct jpeg_decoder *d, enum status st)
{
	d->status = st;
	longjmp(d->escape, 1);
}

static _Noreturn void fail_corrupt(struct jpeg_decoder *d, const char *what)
{
	fail(d, err_set(d->err, ST_CORRUPT_JPEG, "JPEG data is damaged: %s",
			what));
}

static _Noreturn void fail_unsupported(struct jpeg_decoder *d,
				       const char *feature)
{
	fail(d, err_set(d->err, ST_UNSUPPORTED_JPEG,
			"JPEG feature is not supported: %s", feature));
}

static void check_size(struct jpeg_decoder *d)
{
	const struct jpeg_limits *lim = d->limits;
	uint32_t width = d->cinfo.image_width, height = d->cinfo.image_height;
	uint32_t longest = width > height ? width : height;
	uint64_t pixels = (uint64_t)width * height;

	if (longest > lim->max_width_px)
		fail(d, err_limit(d->err, ST_PICTURE_TOO_LARGE,
				  lim->max_width_px, longest,
				  "picture is %u x %u pixels, the longest side "
				  "may have %u",
				  width, height, lim->max_width_px));
	if (pixels > lim->max_pixels)
		fail(d, err_limit(d->err, ST_PICTURE_TOO_LARGE,
				  (int64_t)lim->max_pixels, (int64_t)pixels,
				  "picture has %llu pixels, %llu are allowed",
				  (unsigned long long)pixels,
				  (unsigned long long)lim->max_pixels));
}

static _Noreturn void on_error(j_common_ptr cinfo)
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
	case JERR_IMAGE_TOO_BIG:
		check_size(d);
		fail(d, err_set(d->err, ST_PICTURE_TOO_LARGE,
				"a side of the picture is too long"));
	case JERR_SOF_UNSUPPORTED:
		fail_unsupported(d, "lossless or hierarchical coding");
	case JERR_ARITH_NOTIMPL:
		fail_unsupported(d, "arithmetic coding");
	case JERR_BAD_PRECISION:
		fail_unsupported(d, "samples of other than 8 bits");
	case JERR_CONVERSION_NOTIMPL:
	case JERR_CCIR601_NOTIMPL:
	case JERR_FRACT_SAMPLE_NOTIMPL:
	case JERR_BAD_J_COLORSPACE:
		fail_unsupported(d, "this colour space or sampling");
	default:
		cinfo->err->format_message(cinfo, text);
		text[100] = '\0';
		fail_corrupt(d, text);
	}
}

/* Odd version numbers and stray bytes before the first scan (webcams pad their
 * headers) cost no pixel. Stray bytes after it are what is left of damaged
 * data. */
static bool harmless(const struct jpeg_decoder *d)
{
	switch (d->errors.msg_code) {
	case JWRN_EXTRANEOUS_DATA:
		return d->cinfo.input_scan_number == 0;
	case JWRN_ADOBE_XFORM:
	case JWRN_JFIF_MAJOR:
		return true;
	default:
		return false;
	}
}

/* Level -1 is a warning: the decoder went on, at a price. All but the harmless
 * ones mean that pixels are made up. */
static void on_message(j_common_ptr cinfo, int level)
{
	struct jpeg_decoder *d = self(cinfo);
	char text[JMSG_LENGTH_MAX];

	if (level != -1)
		return;
	if (harmless(d) && !d->limits->strict) {
		d->warnings++;
		return;
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

/* Waits for more bytes; returns how many there are, 0 at the end. */
static size_t receive(struct jpeg_decoder *d, uint8_t *buf, size_t cap)
{
	ssize_t n = d->src->read(d->src->ctx, buf, cap);
	enum status st;

	if (n >= 0)
		return (size_t)n;
	st = (enum status)(-n);
	fail(d, err_set(d->err, st, "the picture did not arrive whole"));
}

static boolean source_fill(j_decompress_ptr cinfo)
{
	struct jpeg_decoder *d = self(cinfo);
	size_t n = receive(d, d->input, INPUT_BYTES);

	if (n == 0)
		fail_corrupt(d, "it ends too early");
	d->source.next_input_byte = d->input;
	d->source.bytes_in_buffer = n;
	return TRUE;
}

/* Looks at the first bytes before libjpeg does, which would search anything at
 * all for a marker. */
static void expect_jpeg(struct jpeg_decoder *d)
{
	static const uint8_t start[] = { 0xff, 0xd8, 0xff };
	size_t have = 0, n;

	do {
		n = receive(d, d->input + have, INPUT_BYTES - have);
		have += n;
	} while (n > 0 && have < sizeof(start));
	if (have == 0)
		fail(d,
		     err_set(d->err, ST_BAD_REQUEST, "the picture is empty"));
	if (memcmp(d->input, start,
		   have < sizeof(start) ? have : sizeof(start)) != 0)
		fail(d, err_set(d->err, ST_NOT_A_JPEG,
				"the data does not start like a JPEG"));
	if (have < sizeof(start))
		fail_corrupt(d, "it ends too early");
	d->source.next_input_byte = d->input;
	d->source.bytes_in_buffer = have;
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

/* APP1: keeps the first bytes for EXIF and skips the rest unseen. Between scans
 * it says nothing any more: the picture's shape is settled by then. */
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
	if (n >= 6 && memcmp(d->exif, "Exif\0", 6) == 0 &&
	    cinfo->input_scan_number == 0)
		d->orientation = exif_orientation(d->exif, n);
	return TRUE;
}

/* Called between rows of every scan: the only brake on a file that repeats
 * tiny scans. */
static void on_progress(j_common_ptr common)
{
	struct jpeg_decoder *d = self(common);
	const struct jpeg_decompress_struct *cinfo = &d->cinfo;
	unsigned scans = (unsigned)cinfo->input_scan_number;

	if (scans > d->limits->max_scans)
		fail(d, err_limit(d->err, ST_CORRUPT_JPEG, d->limits->max_scans,
				  scans, "JPEG has more than %u scans",
				  d->limits->max_scans));
	for (int i = 0; cinfo->Ss == 0 && i < cinfo->comps_in_scan; i++)
		d->components |= 1u << cinfo->cur_comp_info[i]->component_index;
}

/* ---- life ---- */

size_t jpeg_decoder_bytes(void)
{
	return align_up(sizeof(struct jpeg_decoder), ARENA_ALIGN);
}

enum status jpeg_decoder_open(void *mem, bool planes, struct jpeg_decoder **out,
			      struct errinfo *err)
{
	struct jpeg_decoder *d = mem;

	memset(d, 0, sizeof(*d));
	d->planes = planes;
	d->cinfo.err = jpeg_std_error(&d->errors);
	d->errors.error_exit = on_error;
	d->errors.emit_message = on_message;
	d->errors.output_message = no_output;
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

/* Chooses the largest scale that fits; see jpeg_decode in the header. */
static void choose_scale(struct jpeg_decoder *d)
{
	j_decompress_ptr cinfo = &d->cinfo;
	uint64_t need;

	switch (jplan_scale(cinfo, d->planes, d->room_bytes, d->keep_bytes,
			    d->side_max_px, &need)) {
	case JPLAN_FITS:
		break;
	case JPLAN_TOO_LONG:
		fail(d, err_limit(d->err, ST_PICTURE_TOO_LARGE, d->side_max_px,
				  ERR_NO_NUMBER,
				  "picture is too long to be scaled to %u "
				  "pixels",
				  d->side_max_px));
	case JPLAN_NO_ROOM:
		fail(d,
		     err_limit(d->err, ST_PICTURE_TOO_LARGE,
			       (int64_t)d->room_bytes, (int64_t)need,
			       "decoding a %u x %u %s JPEG needs %llu "
			       "bytes, the pool has %zu",
			       cinfo->image_width, cinfo->image_height,
			       cinfo->progressive_mode		? "progressive"
			       : jpeg_has_multiple_scans(cinfo) ? "multi-scan"
								: "baseline",
			       (unsigned long long)need, d->room_bytes));
	}
}

/* ---- rows out ---- */

static void store_rows(struct jpeg_decoder *d)
{
	j_decompress_ptr cinfo = &d->cinfo;
	struct orient_layout to = orient_layout(
		d->out->rgb, d->out->width_px, d->out->height_px,
		d->out->stride_bytes, IMAGE_CHANNELS, d->info->orientation);
	enum pixels_kind kind = cinfo->out_color_space == JCS_RGB ? PIXELS_RGB
				: cinfo->saw_Adobe_marker	  ? PIXELS_LIGHT
								  : PIXELS_INK;
	JSAMPROW row = arena_tail(d->mem.pool,
				  (size_t)cinfo->output_width *
					  (size_t)cinfo->output_components);

	if (row == NULL)
		ERREXIT1(cinfo, JERR_OUT_OF_MEMORY, 0);
	while (cinfo->output_scanline < cinfo->output_height) {
		uint32_t y = cinfo->output_scanline;

		jpeg_read_scanlines(cinfo, &row, 1);
		pixels_store(&to, y, row, cinfo->output_width, kind);
	}
}

static void decode(struct jpeg_decoder *d)
{
	j_decompress_ptr cinfo = &d->cinfo;
	struct picture_info *info = d->info;
	struct image *out = d->out;
	uint8_t *pixels;
	bool turned;

	expect_jpeg(d);
	jpeg_read_header(cinfo, TRUE);
	if (cinfo->arith_code)
		fail_unsupported(d, "arithmetic coding");
	check_size(d);
	cinfo->out_color_space = cinfo->jpeg_color_space == JCS_CMYK ||
						 cinfo->jpeg_color_space ==
							 JCS_YCCK
					 ? JCS_CMYK
					 : JCS_RGB;
	cinfo->dct_method = JDCT_ISLOW;
	cinfo->do_fancy_upsampling = TRUE;
	choose_scale(d);
	turned = d->orientation >= 5;
	out->width_px = turned ? cinfo->output_height : cinfo->output_width;
	out->height_px = turned ? cinfo->output_width : cinfo->output_height;
	out->stride_bytes = (size_t)out->width_px * IMAGE_CHANNELS;
	pixels = arena_head(d->mem.pool,
			    cinfo->raw_data_out
				    ? (size_t)image_planes_bytes(out->width_px,
								 out->height_px)
				    : out->stride_bytes * out->height_px);
	if (pixels == NULL)
		ERREXIT1(cinfo, JERR_OUT_OF_MEMORY, 0);
	info->width_px = turned ? cinfo->image_height : cinfo->image_width;
	info->height_px = turned ? cinfo->image_width : cinfo->image_height;
	info->work_width_px = out->width_px;
	info->work_height_px = out->height_px;
	info->orientation = d->orientation;
	info->progressive = cinfo->progressive_mode;
	jpeg_start_decompress(cinfo);
	/* Of several scans some may be missing without any warning. */
	if (jpeg_has_multiple_scans(cinfo) &&
	    d->components != (1u << cinfo->num_components) - 1)
		fail_corrupt(d, "a colour component is missing");
	out->rgb = pixels;
	if (cinfo->raw_data_out)
		jplanes_read(cinfo, pixels, d->orientation, out);
	else
		store_rows(d);
	info->warnings = d->warnings;
}

/* libjpeg keeps tables for pictures that bring none. Here each picture stands
 * for itself: another one's tables would be its owner's secret and this one's
 * garbage. */
static void forget_tables(j_decompress_ptr cinfo)
{
	for (int i = 0; i < NUM_QUANT_TBLS; i++)
		cinfo->quant_tbl_ptrs[i] = NULL;
	for (int i = 0; i < NUM_HUFF_TBLS; i++) {
		cinfo->dc_huff_tbl_ptrs[i] = NULL;
		cinfo->ac_huff_tbl_ptrs[i] = NULL;
	}
}

/* Alone with setjmp, so that no local variable can lose its value. */
static enum status try_decode(struct jpeg_decoder *d)
{
	d->status = ST_OK;
	if (setjmp(d->escape) == 0)
		decode(d);
	return d->status;
}

enum status jpeg_decode(struct jpeg_decoder *d, struct arena *pool,
			size_t keep_bytes, uint32_t side_max_px,
			const struct jpeg_limits *limits,
			const struct byte_source *src, struct image *out,
			struct picture_info *info, struct errinfo *err)
{
	struct arena_mark mark = arena_get_mark(pool);
	enum status st;

	memset(info, 0, sizeof(*info));
	memset(out, 0, sizeof(*out));
	d->src = src;
	d->limits = limits;
	d->err = err;
	d->out = out;
	d->info = info;
	d->room_bytes = arena_room(pool);
	d->keep_bytes = keep_bytes;
	d->side_max_px = side_max_px;
	d->warnings = 0;
	d->orientation = 1;
	d->components = 0;
	forget_tables(&d->cinfo);
	jmem_begin(&d->mem, pool);
	st = try_decode(d);
	/* Not jpeg_finish_decompress: all pixels are here, and whatever follows
	 * them is of no interest. */
	jpeg_abort_decompress(&d->cinfo);
	jmem_end(&d->mem);
	if (st == ST_OK)
		mark.head = pool->head; /* the picture stays */
	arena_release(pool, mark);
	return st;
}
