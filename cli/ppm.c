#include "ppm.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HEADER_MAX 32

static size_t make_header(char header[HEADER_MAX], unsigned side_px)
{
	return (size_t)snprintf(header, HEADER_MAX, "P6\n%u %u\n255\n", side_px,
				side_px);
}

enum status ppm_write(const char *path, unsigned side_px, const uint8_t *rgb,
		      struct errinfo *err)
{
	FILE *f = fopen(path, "wbe");
	char header[HEADER_MAX];
	size_t n = make_header(header, side_px);
	bool ok;

	if (f == NULL)
		return err_set(err, ST_IO_ERROR, "%s", strerror(errno));
	ok = fwrite(header, n, 1, f) == 1 &&
	     fwrite(rgb, (size_t)side_px * side_px * 3, 1, f) == 1;
	if (fclose(f) != 0 || !ok)
		return err_set(err, ST_IO_ERROR, "%s", strerror(errno));
	return ST_OK;
}

enum status ppm_read(const char *path, unsigned side_px, uint8_t *rgb,
		     struct errinfo *err)
{
	FILE *f = fopen(path, "rbe");
	char header[HEADER_MAX], found[HEADER_MAX];
	size_t n = make_header(header, side_px);
	bool ok, failed;

	if (f == NULL)
		return err_set(err, ST_IO_ERROR, "%s", strerror(errno));
	ok = fread(found, n, 1, f) == 1 && memcmp(found, header, n) == 0 &&
	     fread(rgb, (size_t)side_px * side_px * 3, 1, f) == 1 &&
	     fgetc(f) == EOF;
	failed = ferror(f) != 0;
	if (fclose(f) != 0 || failed)
		return err_set(err, ST_IO_ERROR, "%s", strerror(errno));
	if (!ok)
		return err_set(err, ST_BAD_REQUEST,
			       "not a crop of %u pixels as align writes it",
			       side_px);
	return ST_OK;
}
