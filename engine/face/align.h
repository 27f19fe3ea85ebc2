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

/* Where the landmarks of an upright face lie in the crop, in the order of
 * struct face (the usual places for 112 x 112 crops; the embedders were
 * trained on them). */
extern const float align_places[5][2];

/* landmarks in pixels of img, in the order of struct face. rgb receives the
 * crop as a square of side_px (112 .. ALIGN_SIDE_MAX_PX), side_px^2 * 3 bytes:
 * beyond 112, which is what the embedder sees, the crop is in the middle,
 * enlarged by the largest whole number that fits, and around it is what the
 * picture shows beyond. ST_NO_FACE when the points do not span a face. */
enum status align_face(const struct image *img, const float landmarks[5][2],
		       unsigned side_px, uint8_t *rgb,
		       struct errinfo *err) MUST_CHECK;

#endif
