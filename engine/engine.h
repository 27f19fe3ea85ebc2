/* The engine: JPEG bytes in, faces and templates out, inside memory taken
 * once.
 *
 * engine_open maps the two model files read-only, checks every offset in
 * them, sums the budget, reserves one block (gallery, then one pool a worker)
 * and freezes. From then on no engine function allocates: what cannot fit is
 * refused with the bytes it would need.
 *
 * Threads: a slot (0 .. workers - 1) belongs to one thread at a time; slots
 * run side by side. Everything shared is read-only, but the gallery, which
 * locks for itself.
 *
 * A request on a slot: engine_begin, then for each picture engine_decode,
 * engine_detect, engine_embed of the chosen face. Decoding the next picture
 * drops the one before.
 */
#ifndef FACEGATE_ENGINE_H
#define FACEGATE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "facetypes.h"
#include "gallery.h"
#include "status.h"
#include "transform.h"

struct engine;

/* Where JPEG bytes come from. read stores up to cap bytes (cap >= 1), waits
 * when none are there yet, and returns how many it stored, 0 at the end, or
 * -(int)enum status when the bytes will never come (ST_CLIENT_GONE,
 * ST_TIMEOUT, ...), which then is what engine_decode returns. */
struct byte_source {
	ssize_t (*read)(void *ctx, uint8_t *buf, size_t cap);
	void *ctx;
};

struct jpeg_limits {
	uint32_t max_width_px; /* either side, before scaling */
	uint64_t max_pixels;   /* width x height */
	uint32_t max_scans;    /* progressive scans */
	bool strict;	       /* every decoder warning is an error */
};

struct engine_options {
	const char *detector_path; /* models/mtcnn.fgm */
	const char *embedder_path; /* models/embedder-*.fgm */
	const struct transform
		*transform; /* of templates; NULL: none. Copied */
	size_t pool_bytes;  /* per worker */
	unsigned workers;   /* 1 .. ENGINE_WORKERS_MAX */
	size_t gallery_max; /* templates */
	struct jpeg_limits jpeg;
	/* A picture that does not fit as RGB is held in planes, YCbCr with
	 * colours at half the resolution, where that makes it larger. Without,
	 * only one that would not fit at all. */
	bool picture_planes;
	unsigned min_face_px;	  /* >= 12, or 0: by picture; see mtcnn.h */
	uint64_t (*now_us)(void); /* monotonic clock for receipts */
};

#define ENGINE_WORKERS_MAX 16
#define ENGINE_FACES_MAX   64 /* faces reported of one picture */

/* The level of kernels that an engine opened now would use: the best of this
 * processor, or what FACEGATE_ISA asks for. NULL if there is no such level. */
const char *engine_isa(void);

/* Opens the engine. Errors: ST_BAD_CONFIG, ST_BAD_MODEL, ST_IO_ERROR (file),
 * ST_POOL_TOO_SMALL (text and found/limit say the bytes needed and given),
 * ST_NO_MEMORY. */
enum status engine_open(const struct engine_options *opt, struct engine **out,
			struct errinfo *err) MUST_CHECK;
void engine_close(struct engine *e); /* NULL is fine */

struct picture_info {
	uint32_t width_px, height_px;		/* upright, full size */
	uint32_t work_width_px, work_height_px; /* of the working picture */
	unsigned orientation;			/* EXIF 1 .. 8 */
	bool progressive;
	unsigned warnings; /* harmless decoder warnings let through */
};

void engine_begin(struct engine *e, unsigned slot);

/* Reads one JPEG to its end and keeps the working picture. Errors:
 * ST_NOT_A_JPEG, ST_UNSUPPORTED_JPEG, ST_CORRUPT_JPEG, ST_PICTURE_TOO_LARGE
 * (found = bytes or pixels needed), or what the source returned. */
enum status engine_decode(struct engine *e, unsigned slot,
			  const struct byte_source *src,
			  struct picture_info *info,
			  struct errinfo *err) MUST_CHECK;

/* Finds faces in the decoded picture, largest box first, at most cap (<=
 * ENGINE_FACES_MAX). No face is ST_OK with *count == 0. */
enum status engine_detect(struct engine *e, unsigned slot, struct face *faces,
			  size_t cap, size_t *count,
			  struct errinfo *err) MUST_CHECK;

/* The same for who needs the largest face alone: faces that are much smaller
 * than it may be missing. The search goes from large faces to small ones and
 * ends at the first that is certain and too large for what is left, which
 * takes less time; where there is none, all are found. The face is mostly the
 * same to the bit, but a smaller window might have drawn its box a little
 * otherwise. */
enum status engine_detect_largest(struct engine *e, unsigned slot,
				  struct face *faces, size_t cap, size_t *count,
				  struct errinfo *err) MUST_CHECK;

/* Aligns one face of the decoded picture to 112x112 and embeds it; the crop is
 * on the caller's stack. ST_NO_FACE when the landmarks are degenerate. */
enum status engine_embed(struct engine *e, unsigned slot,
			 const struct face *face, struct face_template *out,
			 struct errinfo *err) MUST_CHECK;

/* The aligned RGB crop of a face (rows without padding), written to the
 * caller's rgb[side_px * side_px * 3]. side_px is 112, what the embedder sees,
 * or up to ENGINE_CROP_MAX_PX: then the crop is in the middle, enlarged by the
 * largest whole number that fits, with its surroundings around it. */
#define ENGINE_CROP_PX	   112
#define ENGINE_CROP_MAX_PX 512
enum status engine_align(struct engine *e, unsigned slot,
			 const struct face *face, unsigned side_px,
			 uint8_t *rgb, struct errinfo *err) MUST_CHECK;

/* Where the landmarks of an aligned face lie in the 112x112 crop, in pixels,
 * centres at whole numbers. */
void engine_crop_landmarks(float out[5][2]);

/* Embeds such a crop, from rgb[112 * 112 * 3]; needs no picture, and gives what
 * engine_embed does. ST_NO_FACE when it has no features. */
enum status engine_embed_crop(struct engine *e, unsigned slot,
			      const uint8_t *rgb, struct face_template *out,
			      struct errinfo *err) MUST_CHECK;

/* The same for a picture that is to be stored: the template is the direction
 * of the sum of the crop's embedding and its mirror image's, which misses
 * fewer later probes (docs/decisions/0005-mirror-at-enrolment.md) and takes
 * the embedder's time twice. length is the crop's own, as engine_embed_crop's.
 */
enum status engine_embed_enrolment(struct engine *e, unsigned slot,
				   const uint8_t *rgb,
				   struct face_template *out,
				   struct errinfo *err) MUST_CHECK;

/* What the slot's request has cost since engine_begin. */
struct engine_receipt {
	uint64_t decode_us, detect_us, align_us, embed_us;
	size_t pool_peak_bytes;
};
void engine_receipt(const struct engine *e, unsigned slot,
		    struct engine_receipt *out);

struct gallery *engine_gallery(struct engine *e);

struct engine_info {
	char model_id[MODEL_ID_MAX];	/* embedder name@crc, with a transform
					   ~id: marks templates */
	char embedder_id[MODEL_ID_MAX]; /* without it */
	char detector_id[MODEL_ID_MAX];
	const char *isa; /* kernel level in use: "scalar", ... */
	unsigned min_face_px;
	size_t pool_bytes;	  /* of one worker */
	size_t pool_needed_bytes; /* smallest pool that would open */
};
const struct engine_info *engine_info(const struct engine *e);

/* scores[i] = template_cosine(probe, &t[i]) for n templates, bit for bit, by
 * the kernels in use. Any thread, no slot. */
void engine_cosines(const struct engine *e, const struct face_template *probe,
		    const struct face_template *t, size_t n, float *scores);

/* What the embedder would have given, as it is given with the transform. */
enum status engine_rotate(const struct engine *e,
			  const struct face_template *plain,
			  struct face_template *out) MUST_CHECK;

/* Score cut for a false match rate in (0, 1), from the embedder's own table:
 * log-linear between its entries, clamped to its ends. */
float engine_threshold(const struct engine *e, double fmr);
/* The inverse: the false match rate a cut stands for; above the table an upper
 * bound, below it NaN. */
double engine_fmr(const struct engine *e, float threshold);

/* Quality of the face a template was made from, 0 to 100: the percent of the
 * reference pictures of the embedder's own table that have a shorter embedding.
 * The length before normalising falls with blur, noise, occlusion and extreme
 * pose (measured in docs/decisions/0004-quality-from-the-embedding.md). */
float engine_quality(const struct engine *e, const struct face_template *t);

/* The budget as rows, for --print-budget and `facegate budget`: what
 * engine_open would take with these options. Mapped rows are file-backed and
 * read-only. When the pool is too small the rows are still filled in. */
struct budget_row {
	const char *name; /* static text */
	size_t bytes;
	bool mapped;
	bool in_pool; /* a part of the pool row above it, not added again */
};
#define ENGINE_BUDGET_ROWS 16
/* The rows of an open engine; returns how many. */
size_t engine_budget_rows(const struct engine *e,
			  struct budget_row rows[ENGINE_BUDGET_ROWS]);
enum status engine_budget(const struct engine_options *opt,
			  struct budget_row rows[ENGINE_BUDGET_ROWS],
			  size_t *count, struct errinfo *err) MUST_CHECK;

#endif
