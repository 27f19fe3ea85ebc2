/* What decoding a JPEG will cost, known from its header alone. Owns nothing. */
#ifndef FACEGATE_JPLAN_H
#define FACEGATE_JPLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h>

enum jplan {
	JPLAN_FITS,
	JPLAN_NO_ROOM,	/* *need says how many bytes the smallest scale takes */
	JPLAN_TOO_LONG, /* memory would do, but a side has too many pixels */
};

/* Sets the scale of cinfo, whose header has been read and whose output colours
 * are chosen, to the largest M/8 that fits, and raw_data_out where that is only
 * so in planes; see jpeg_decode. *need is what that scale, or else the
 * smallest, takes of room. */
enum jplan jplan_scale(j_decompress_ptr cinfo, bool planes, uint64_t room,
		       uint64_t keep, uint32_t side_max_px, uint64_t *need);

#endif
