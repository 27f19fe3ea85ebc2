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
	bool progressive;
	bool separate;	      /* a sequential scan for each component */
	bool optimised;	      /* Huffman tables of its own */
	bool noise;	      /* instead of smooth colours */
	int restart;	      /* MCUs between restart markers; 0: none */
	int sampling[4][2];   /* h and v of each component; 0: the library's */
	const uint8_t *solid; /* one colour, as stored; NULL: smooth */
	/* An RGB picture instead, repeated to fill the size. */
	const struct image *photo;
};
/* The three members that every recipe has. */
#define SIZED(w, h, kind) .width = (w), .height = (h), .space = (kind)

extern struct arena pool;
extern uint8_t *pool_memory;
extern struct jpeg_decoder *decoder;
extern const struct jpeg_limits usual;
extern const struct recipe photo;
/* Of the last decode. */
extern struct errinfo err;
extern struct image img;
extern struct picture_info info;
extern size_t bytes_read;

void jpegtest_open(void);
void jpegtest_open_planes(void); /* with a decoder that may make them */
void jpegtest_close(void);
uint32_t rnd(void);

struct made make(struct recipe r);

/* Where the nth marker of its kind stands, counted from 0; fails the test when
 * there is none. */
size_t find_marker(struct made m, unsigned marker, int nth);
/* The picture with cut bytes at a place replaced by n others. */
struct made replaced(struct made m, size_t at, size_t cut, const void *by,
		     size_t n);
/* The picture without its segments of a kind. */
struct made without(struct made m, unsigned marker);
/* An APP1 segment that says how the picture is turned. */
#define TURN_BYTES 36
const uint8_t *turn_segment(unsigned orientation);

/* Decodes into the pool; checks that an error leaves it as it was. */
enum status decode_with(const uint8_t *p, size_t n, size_t step, size_t keep,
			const struct jpeg_limits *lim);
/* The same with the usual limits; the pool is released afterwards. */
enum status decode(const uint8_t *p, size_t n);
/* Decodes into a pool of a size, released afterwards. */
enum status decode_in(const uint8_t *p, size_t n, size_t pool_bytes);
/* The ordinary way, to RGB or CMYK, at a scale of eighths. */
uint8_t *reference(const uint8_t *p, size_t n, unsigned scale);
/* A JPEG below the source folder as RGB, likewise. */
struct image load_photo(const char *path, unsigned scale);

#endif
