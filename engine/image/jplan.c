/* The decoder's memory as an upper bound, so that a picture which does not fit
 * is refused before anything is decoded. The coefficients of a picture in
 * several scans are counted exactly; rows follow the sizes that libjpeg's
 * controllers ask for. All sums are 64 bits wide: a claimed size may be far
 * beyond what a 32-bit size_t holds. */
#include "image/jplan.h"

#include "image/image.h"
#include "image/jmem.h"
#include "image/jplanes.h"

#define SCALE_DENOM 8
/* What a decode takes besides rows and coefficients: Huffman look-up tables,
 * colour tables, range limits, controllers. Beyond what the bound for rows has
 * to spare, 11 KiB were measured. */
#define FIXED_BYTES 32768

/* Memory is handed out in whole cache lines. */
static uint64_t lines(uint64_t bytes)
{
	return (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

static uint64_t round_up(uint64_t n, int multiple)
{
	uint64_t m = (uint64_t)multiple;

	return (n + m - 1) / m * m;
}

static uint64_t coefficient_bytes(j_decompress_ptr cinfo)
{
	uint64_t sum = 0;

	if (!jpeg_has_multiple_scans(cinfo))
		return 0;
	for (int i = 0; i < cinfo->num_components; i++) {
		const jpeg_component_info *c = &cinfo->comp_info[i];
		uint64_t across = round_up(c->width_in_blocks,
					   c->h_samp_factor);
		uint64_t down = round_up(c->height_in_blocks, c->v_samp_factor);

		sum += lines(across * sizeof(JBLOCK)) * down +
		       lines(down * sizeof(void *));
	}
	return sum;
}

/* The rows that the decoder holds at the current scale. */
static uint64_t row_bytes(j_decompress_ptr cinfo)
{
	uint64_t h_max = (uint64_t)cinfo->max_h_samp_factor;
	uint64_t v_max = (uint64_t)cinfo->max_v_samp_factor;
	uint64_t upsampled = lines(cinfo->output_width + h_max * 8) * v_max;
	uint64_t sum = FIXED_BYTES;

	for (int i = 0; i < cinfo->num_components; i++) {
		const jpeg_component_info *c = &cinfo->comp_info[i];
		uint64_t size = (uint64_t)c->DCT_scaled_size;
		uint64_t wide = lines(c->width_in_blocks * size);
		/* A row of blocks and its context of one row group above and
		 * below; the 64 bytes a row are its pointers. */
		uint64_t rows = (uint64_t)c->v_samp_factor * (size + 8);

		sum += (wide + 64) * rows + upsampled;
	}
	/* One finished row, before it is turned upright. */
	return sum + lines((uint64_t)cinfo->output_width *
			   (uint64_t)cinfo->output_components);
}

/* What a picture takes in the form that raw_data_out says. */
static uint64_t need_of(j_decompress_ptr cinfo, uint64_t coefficients,
			uint64_t keep)
{
	uint64_t width = cinfo->output_width, height = cinfo->output_height;
	bool planes = cinfo->raw_data_out;
	uint64_t picture = planes ? image_planes_bytes((uint32_t)width,
						       (uint32_t)height)
				  : width * height * IMAGE_CHANNELS;
	uint64_t beside = coefficients +
			  (planes ? FIXED_BYTES + jplanes_row_bytes(cinfo)
				  : row_bytes(cinfo));

	return lines(picture) + (keep > beside ? keep : beside);
}

enum jplan jplan_scale(j_decompress_ptr cinfo, bool planes, uint64_t room,
		       uint64_t keep, uint32_t side_max_px, uint64_t *need)
{
	uint64_t coefficients = coefficient_bytes(cinfo);

	for (unsigned m = SCALE_DENOM; m >= 1; m--) {
		cinfo->scale_num = m;
		cinfo->scale_denom = SCALE_DENOM;
		jpeg_calc_output_dimensions(cinfo);
		cinfo->raw_data_out = FALSE;
		*need = need_of(cinfo, coefficients, keep);
		if ((planes || m == 1) && *need > room &&
		    jplanes_possible(cinfo)) {
			cinfo->raw_data_out = TRUE;
			*need = need_of(cinfo, coefficients, keep);
		}
		if (*need <= room && cinfo->output_width <= side_max_px &&
		    cinfo->output_height <= side_max_px)
			return JPLAN_FITS;
	}
	return *need <= room ? JPLAN_TOO_LONG : JPLAN_NO_ROOM;
}
