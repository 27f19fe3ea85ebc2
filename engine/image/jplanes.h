/* A JPEG's own planes instead of RGB: half the memory, for a picture that would
 * otherwise have to be smaller. Owns nothing. */
#ifndef FACEGATE_JPLANES_H
#define FACEGATE_JPLANES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h>

#include "image/image.h"

/* Whether the file is YCbCr in a sampling that planes can hold, at the scale
 * for which jpeg_calc_output_dimensions was called. */
bool jplanes_possible(j_decompress_ptr cinfo);

/* What reading them takes beside coefficients, tables and controllers. */
uint64_t jplanes_row_bytes(j_decompress_ptr cinfo);

/* Reads the picture, decompression of which was started with raw_data_out, into
 * pixels (image_planes_bytes long), and completes img, whose upright size is
 * there, with it. Colours at full resolution are averaged over each cell. */
void jplanes_read(j_decompress_ptr cinfo, uint8_t *pixels, unsigned orientation,
		  struct image *img);

#endif
