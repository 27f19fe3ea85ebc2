/* Pictures made and decoded for the decoder's tests. */
#ifndef FACEGATE_TEST_JPEGTEST_H
#define FACEGATE_TEST_JPEGTEST_H

#include <stdbool.h>
#include <stdio.h>

#include <jpeglib.h>

#include "image/jpeg.h"

#define POOL_BYTES (8u << 20)

struct made {
	unsigned char *p;
	unsigned long n;
};

struct recipe {
	int width, height;
	J_COLOR_SPACE space; /* of the file */
	bool progressive, noise;
	int h_sampling; /* of luma; 0: the library's 4:2:0 */
};

extern struct arena pool;
extern uint8_t *pool_memory;
extern struct jpeg_decoder *decoder;
extern const struct jpeg_limits usual;
extern const struct recipe photo;
/* Of the last decode. */
extern struct errinfo err;
extern struct image img;
extern struct picture_info info;

void jpegtest_open(void);
void jpegtest_close(void);
uint32_t rnd(void);

/* Smooth colours, or noise: row y of a recipe's picture. */
void fill(uint8_t *row, int y, const struct recipe *r, int comps);
struct made make(struct recipe r);
/* The picture with one segment put in right after its start. */
struct made with_segment(struct made m, const uint8_t *seg, size_t n);

/* Decodes into the pool; checks that an error leaves it as it was. */
enum status decode_with(const uint8_t *p, size_t n, size_t step, size_t keep,
			const struct jpeg_limits *lim);
/* The same with the usual limits; the pool is released afterwards. */
enum status decode(const uint8_t *p, size_t n);
/* The ordinary way, to RGB, at a scale of eighths. */
uint8_t *reference(const uint8_t *p, size_t n, unsigned scale);

#endif
