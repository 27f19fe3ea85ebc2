/* JPEG to a working picture, inside an arena.
 *
 * One decoder object lives as long as its worker. Its own state (the libjpeg
 * structs) is in struct jpeg_decoder; everything libjpeg asks for at run time
 * is served from the arena by image/jmem.c, so a decode neither mallocs nor
 * outgrows the pool.
 *
 * The picture is upright: EXIF orientation is applied while rows are stored.
 */
#ifndef FACEGATE_JPEG_H
#define FACEGATE_JPEG_H

#include "engine.h"
#include "image/image.h"
#include "mem/arena.h"

struct jpeg_decoder; /* in permanent memory of jpeg_decoder_bytes() */

/* Bytes of permanent memory a decoder needs. (libjpeg itself mallocs a few KiB
 * more in jpeg_decoder_open, never later.) */
size_t jpeg_decoder_bytes(void);

/* Builds a decoder in mem (ARENA_ALIGN aligned, jpeg_decoder_bytes() long);
 * planes says whether it makes them for the sake of a larger scale. */
enum status jpeg_decoder_open(void *mem, bool planes, struct jpeg_decoder **out,
			      struct errinfo *err) MUST_CHECK;

void jpeg_decoder_close(struct jpeg_decoder *d); /* NULL is fine */

/* Decodes one picture from src into a new head block of pool, using its tail
 * for everything temporary (released before returning). The scale M/8, M in
 * 1..8, is the largest at which all hold, as RGB or else in planes, which are
 * for M 1 alone unless the decoder was opened with them:
 *   picture bytes + keep_bytes     <= room,
 *   picture bytes + decoder bytes  <= room, and
 *   neither side is longer than side_max_px,
 * where keep_bytes is what the stages after decoding need beside the picture.
 * On error the pool is as it was before. Reads src only as far as the last
 * pixel needs; what follows is left unread. */
enum status jpeg_decode(struct jpeg_decoder *d, struct arena *pool,
			size_t keep_bytes, uint32_t side_max_px,
			const struct jpeg_limits *limits,
			const struct byte_source *src, struct image *out,
			struct picture_info *info,
			struct errinfo *err) MUST_CHECK;

#endif
