/* CRC-32 (IEEE 802.3, reflected, as zlib): finds damage, not tampering. */
#ifndef FACEGATE_CRC32_H
#define FACEGATE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Four bits at a step: a table of 16 words is small enough to be a constant,
 * and a megabyte takes a few milliseconds at start-up. */
static inline uint32_t crc32_of(const uint8_t *p, size_t n)
{
	static const uint32_t step[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t c = 0xffffffffu;

	for (size_t i = 0; i < n; i++) {
		c ^= p[i];
		c = (c >> 4) ^ step[c & 15];
		c = (c >> 4) ^ step[c & 15];
	}
	return ~c;
}

#endif
