/* One uploaded picture through the engine: the step all routes share. */
#ifndef FACEGATE_PICTURE_H
#define FACEGATE_PICTURE_H

#include "decide.h"
#include "engine.h"
#include "facequality.h"
#include "request.h"

struct picture {
	struct picture_info info;
	struct face faces[ENGINE_FACES_MAX];
	size_t face_count;
	/* Where picture_embed leaves the crop of faces[0], FACE_CROP_BYTES;
	 * NULL: nowhere. */
	uint8_t *crop;
	struct face_template template; /* of faces[0], after picture_embed */
	float quality;		       /* of the template, 0 to 100 */
	struct facequality parts;      /* of faces[0], after picture_embed */
	struct engine_receipt receipt;
	size_t number; /* in the body, from 1 */
	/* What picture_next has read, or failed in, as "image[0]"; "" when that
	 * is no picture. */
	char part[32];
	bool for_door; /* the caller's: the largest face is all it needs */
};

/* Begins the request on the engine slot. */
void picture_begin(struct request *r, unsigned slot);

/* Waits for the next picture of the upload, decodes it and finds its faces,
 * largest first; with the key early_exit and for_door, those alone that
 * engine_detect_largest promises. ST_END when there is none. An error of the
 * body goes before one of the picture. p is zeros before the first. */
enum status picture_next(struct request *r, unsigned slot,
			 struct picture *p) MUST_CHECK;

/* Puts the picture of that number into p->part; 0: none. */
void picture_blame(struct picture *p, size_t number);

/* Chooses the person (decide_person), embeds the face and judges its quality:
 * decide_quality, and to enrol facequality_failed; r->failed_checks says what
 * was wrong. After ST_LOW_QUALITY the template is there nonetheless. */
enum status picture_embed(struct request *r, unsigned slot, struct picture *p,
			  enum decide_purpose purpose) MUST_CHECK;

/* Exactly one picture, and after it the end of the body with all
 * parameters. ST_BAD_REQUEST for none or several. */
enum status picture_one(struct request *r, unsigned slot,
			struct picture *p) MUST_CHECK;

/* Exactly two pictures, embedded as probes, and the end of the body: the first
 * one's template goes to *first, the second's stays in p. Describes both in the
 * lists, unless these are NULL. ST_BAD_REQUEST for fewer or more. */
enum status picture_two(struct request *r, unsigned slot, struct picture *p,
			struct face_template *first, json_t *faces,
			json_t *quality) MUST_CHECK;

/* Measures a face of the decoded picture. */
enum status picture_measure(struct request *r, unsigned slot,
			    const struct picture *p, const struct face *f,
			    struct facequality *out) MUST_CHECK;
/* Adds the components to a quality object. */
void picture_add_parts(json_t *quality, const struct facequality *q);

/* Notes what the pictures have cost, for the counters. */
void picture_account(struct request *r, const struct picture *p,
		     int64_t match_us);

json_t *picture_face_json(const struct face *f);
json_t *picture_quality_json(const struct picture *p);
/* Times in milliseconds; match_us < 0 leaves that one out. */
json_t *picture_ms_json(const struct request *r, const struct picture *p,
			int64_t match_us);

#endif
