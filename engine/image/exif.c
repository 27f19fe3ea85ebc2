/* The orientation from an EXIF directory, read with every offset checked
 * against the bytes at hand. No state. */
#include "image/exif.h"

#include <stdbool.h>
#include <string.h>

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT	3
#define ENTRY_BYTES	12

struct tiff {
	const uint8_t *p;
	size_t n;
	bool big_endian;
};

/* A number of the file; 0 when it lies outside what is at hand. */
static uint32_t number(const struct tiff *t, size_t at, size_t bytes)
{
	uint32_t v = 0;

	if (at > t->n || bytes > t->n - at)
		return 0;
	for (size_t i = 0; i < bytes; i++) {
		size_t from = t->big_endian ? i : bytes - 1 - i;

		v = v << 8 | t->p[at + from];
	}
	return v;
}

unsigned exif_orientation(const uint8_t *p, size_t n)
{
	struct tiff t;
	size_t dir;
	uint32_t entries;

	if (n < 14 || memcmp(p, "Exif\0", 6) != 0)
		return 1;
	t.p = p + 6;
	t.n = n - 6;
	if (memcmp(t.p, "MM", 2) == 0)
		t.big_endian = true;
	else if (memcmp(t.p, "II", 2) == 0)
		t.big_endian = false;
	else
		return 1;
	if (number(&t, 2, 2) != 42)
		return 1;
	dir = number(&t, 4, 4);
	if (dir < 8)
		return 1;
	entries = number(&t, dir, 2);
	for (uint32_t i = 0; i < entries; i++) {
		size_t at = dir + 2 + (size_t)i * ENTRY_BYTES;
		uint32_t v;

		if (at >= t.n)
			return 1;
		if (number(&t, at, 2) != TAG_ORIENTATION)
			continue;
		v = number(&t, at + 8, 2);
		return number(&t, at + 2, 2) == TYPE_SHORT && v >= 1 && v <= 8
			       ? v
			       : 1;
	}
	return 1;
}
