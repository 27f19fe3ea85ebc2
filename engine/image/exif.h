/* The one thing wanted from EXIF: which way up the picture is. */
#ifndef FACEGATE_EXIF_H
#define FACEGATE_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of an APP1 segment worth keeping: orientation sits in the first
 * directory, which cameras put at its start. */
#define EXIF_BYTES_MAX 4096

/* Orientation 1 .. 8 from the payload of an APP1 segment (after its length),
 * of which n bytes are at hand. 1 (upright) when there is none or it makes no
 * sense. */
unsigned exif_orientation(const uint8_t *p, size_t n);

#endif
