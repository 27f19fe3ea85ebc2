/* Raw rows of blocks from libjpeg to planes, turned upright on the way. The
 * rows come from libjpeg's own memory manager. No state. */
#include "image/jplanes.h"

#include "image/orient.h"
#include "mem/arena.h"

#define COMPONENTS 3

/* Rows of the picture that are read at a time. */
static unsigned step_rows(j_decompress_ptr cinfo)
{
	return (unsigned)(cinfo->max_v_samp_factor *
			  cinfo->min_DCT_scaled_size);
}

static unsigned step_columns(j_decompress_ptr cinfo)
{
	return (unsigned)(cinfo->max_h_samp_factor *
			  cinfo->min_DCT_scaled_size);
}

static unsigned rows_of(const jpeg_component_info *c)
{
	return (unsigned)(c->v_samp_factor * c->DCT_scaled_size);
}

static unsigned columns_of(const jpeg_component_info *c)
{
	return (unsigned)(c->h_samp_factor * c->DCT_scaled_size);
}

bool jplanes_possible(j_decompress_ptr cinfo)
{
	const jpeg_component_info *c = cinfo->comp_info;
	unsigned rows = step_rows(cinfo), columns = step_columns(cinfo);

	if (cinfo->num_components != COMPONENTS ||
	    cinfo->jpeg_color_space != JCS_YCbCr || rows_of(&c[0]) != rows ||
	    columns_of(&c[0]) != columns || rows % 2 != 0)
		return false;
	for (int i = 1; i < COMPONENTS; i++)
		if ((rows_of(&c[i]) != rows && rows_of(&c[i]) * 2 != rows) ||
		    (columns_of(&c[i]) != columns &&
		     columns_of(&c[i]) * 2 != columns))
			return false;
	return true;
}

static uint64_t lines(uint64_t bytes)
{
	return (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

uint64_t jplanes_row_bytes(j_decompress_ptr cinfo)
{
	uint64_t sum = 0;

	for (int i = 0; i < COMPONENTS; i++) {
		const jpeg_component_info *c = &cinfo->comp_info[i];
		uint64_t wide = (uint64_t)c->width_in_blocks *
				(uint64_t)c->DCT_scaled_size;

		sum += lines(rows_of(c) * sizeof(void *)) +
		       lines(wide) * rows_of(c);
	}
	return sum;
}

/* Whose turned sides begin with half a cell, and how libjpeg rounds: up in the
 * columns that are even in the file. */
static struct image_planes cells(const struct image *img, unsigned orientation)
{
	bool turned_x = orientation == 2 || orientation == 3 ||
			orientation == 6 || orientation == 7;
	bool turned_y = orientation == 3 || orientation == 4 ||
			orientation == 7 || orientation == 8;
	bool by_row = orientation >= 5; /* the file's columns are rows */
	struct image_planes p = {
		.shift = { turned_x && img->width_px % 2,
			   turned_y && img->height_px % 2 },
	};

	for (int y = 0; y < 2; y++)
		for (int x = 0; x < 2; x++) {
			bool odd = by_row ? (y != 0) != turned_y
					  : (x != 0) != turned_x;

			p.rounding[y][x] = odd ? 7 : 8;
		}
	return p;
}

static void put_luma(j_decompress_ptr cinfo, JSAMPARRAY rows, uint32_t y0,
		     struct orient_layout to)
{
	for (unsigned r = 0;
	     r < step_rows(cinfo) && y0 + r < cinfo->output_height; r++) {
		uint8_t *dst = to.base + (ptrdiff_t)(y0 + r) * to.dy;

		for (uint32_t x = 0; x < cinfo->output_width; x++, dst += to.dx)
			*dst = rows[r][x];
	}
}

/* One colour: a cell is one sample of the file or the mean of two or four. */
static void put_colour(j_decompress_ptr cinfo, int component, JSAMPARRAY rows,
		       uint32_t y0, struct orient_layout to)
{
	const jpeg_component_info *c = &cinfo->comp_info[component];
	bool tall = rows_of(c) == step_rows(cinfo);
	bool wide = columns_of(c) == step_columns(cinfo);
	uint32_t width = cinfo->output_width;

	for (uint32_t y = y0;
	     y < cinfo->output_height && y < y0 + step_rows(cinfo); y += 2) {
		uint8_t *dst = to.base + (ptrdiff_t)(y / 2) * to.dy;
		uint32_t r = tall ? y - y0 : (y - y0) / 2;
		/* The last cell may have one row or column only. */
		const uint8_t *a = rows[r];
		const uint8_t *b =
			rows[tall && y + 1 < cinfo->output_height ? r + 1 : r];

		for (uint32_t x = 0; x < width; x += 2, dst += to.dx) {
			uint32_t i = wide ? x : x / 2;
			uint32_t j = wide && x + 1 < width ? i + 1 : i;

			*dst = (uint8_t)((a[i] + a[j] + b[i] + b[j] + 2) / 4);
		}
	}
}

void jplanes_read(j_decompress_ptr cinfo, uint8_t *pixels, unsigned orientation,
		  struct image *img)
{
	const uint32_t across = (img->width_px + 1) / 2;
	const uint32_t down = (img->height_px + 1) / 2;
	JSAMPARRAY rows[COMPONENTS];
	struct orient_layout to[COMPONENTS];

	img->rgb = NULL;
	img->planes = cells(img, orientation);
	img->planes.luma = pixels;
	pixels += (size_t)img->width_px * img->height_px;
	to[0] = orient_layout(img->planes.luma, img->width_px, img->height_px,
			      img->width_px, 1, orientation);
	for (int i = 1; i < COMPONENTS; i++, pixels += (size_t)across * down) {
		img->planes.colour[i - 1] = pixels;
		to[i] = orient_layout(pixels, across, down, across, 1,
				      orientation);
	}
	for (int i = 0; i < COMPONENTS; i++) {
		const jpeg_component_info *c = &cinfo->comp_info[i];

		rows[i] = cinfo->mem->alloc_sarray(
			(j_common_ptr)cinfo, JPOOL_IMAGE,
			c->width_in_blocks * (JDIMENSION)c->DCT_scaled_size,
			rows_of(c));
	}
	while (cinfo->output_scanline < cinfo->output_height) {
		uint32_t y = cinfo->output_scanline;

		jpeg_read_raw_data(cinfo, rows, step_rows(cinfo));
		put_luma(cinfo, rows[0], y, to[0]);
		put_colour(cinfo, 1, rows[1], y, to[1]);
		put_colour(cinfo, 2, rows[2], y, to[2]);
	}
}
