/* The few types that engine, db and server hand to each other. */
#ifndef FACEGATE_FACETYPES_H
#define FACEGATE_FACETYPES_H

#include <stdint.h>

#define TEMPLATE_DIM 128

/* A face template: a 128-d embedding, L2-normalised, as int8.
 * cosine(a, b) = dot(a.v, b.v) * a.scale * b.scale, where scale = 1 / |v|.
 * length is the embedding's norm before normalising; it falls with picture
 * quality (units are the model's own). */
struct face_template {
	int8_t v[TEMPLATE_DIM];
	float scale;
	float length;
};

/* The aligned crop of a face that a template is made from: 112 x 112 pixels of
 * RGB, rows without padding. */
#define FACE_CROP_BYTES (112 * 112 * 3)

/* One detected face, in pixels of the upright picture (EXIF applied) at its
 * full size. box is x, y, width, height and may leave the picture. Landmarks
 * are left eye, right eye, nose, left mouth corner, right mouth corner, left
 * and right as seen in the picture. confidence is in (0, 1). */
struct face {
	float box[4];
	float landmarks[5][2];
	float confidence;
	float inter_eye_px; /* distance between the eye centres */
};

#define MODEL_ID_MAX 48 /* "name@crc32 in hex" with its NUL */

#endif
