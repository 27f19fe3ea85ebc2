/* Aligned crops as files: binary PPM. */
#ifndef FACEGATE_PPM_H
#define FACEGATE_PPM_H

#include <stdint.h>

#include "status.h"

/* A square of side_px; rgb is the caller's side_px^2 * 3 bytes, rows without
 * padding. Both return ST_IO_ERROR; ppm_read returns ST_BAD_REQUEST for a file
 * that is not exactly what ppm_write makes of that side. */
enum status ppm_write(const char *path, unsigned side_px, const uint8_t *rgb,
		      struct errinfo *err) MUST_CHECK;
enum status ppm_read(const char *path, unsigned side_px, uint8_t *rgb,
		     struct errinfo *err) MUST_CHECK;

#endif
