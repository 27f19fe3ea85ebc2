/* Five-point alignment to the embedder's 112 x 112 crop.
 *
 * The similarity transform (rotation, one scale, shift) that takes the five
 * landmarks closest, in least squares, to the standard places of a 112 x 112
 * face crop; then the picture is sampled bilinearly in fixed point, with black
 * outside it. Where a crop pixel covers more than one picture pixel, several
 * samples are averaged, so large faces do not alias.
 */
#ifndef FACEGATE_ALIGN_H
#define FACEGATE_ALIGN_H

#include "image/image.h"
#include "status.h"

#define ALIGN_SIDE_PX	  112
#define ALIGN_SIDE_MAX_PX 512

/* landmarks in pixels of img, in the order of struct face. rgb receives
 * 112 * 112 * 3 bytes. ST_NO_FACE when the points do not span a face. */
enum status align_face(const struct image *img, const float landmarks[5][2],
		       uint8_t *rgb, struct errinfo *err) MUST_CHECK;

/* The same as a square of side_px (112 .. ALIGN_SIDE_MAX_PX), for training: in
 * its middle is the crop, enlarged by the largest whole number that fits, and
 * around it what the picture shows beyond. rgb receives side_px^2 * 3 bytes. */
enum status align_framed(const struct image *img, const float landmarks[5][2],
			 unsigned side_px, uint8_t *rgb,
			 struct errinfo *err) MUST_CHECK;

#endif
