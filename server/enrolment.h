/* Storing a person's pictures, and forgetting a person: what /enroll, /people
 * and DeepStack's routes share. */
#ifndef FACEGATE_ENROLMENT_H
#define FACEGATE_ENROLMENT_H

#include "picture.h"

struct enrolment {
	const char *person_id, *name; /* name NULL: keeps the stored one */
	bool replace;
	bool duplicate_ok;
	size_t count;
	struct face_template templates[UPLOAD_PICTURES_MAX];
	float quality[UPLOAD_PICTURES_MAX];
	uint8_t *crops; /* of each, if they are kept; the worker's */
	int64_t ids[UPLOAD_PICTURES_MAX];
	struct picture last; /* of the pictures, and what they have cost */
};

/* Takes all pictures of the body, to its end; e->last.part is the one at
 * fault. Describes each in list unless that is NULL. */
enum status enrolment_read(struct request *r, unsigned slot,
			   struct enrolment *e, json_t *list) MUST_CHECK;

/* Commits them and changes the gallery, all or none. ST_BAD_REQUEST when there
 * are none; ST_DUPLICATE_FACE (e->last.part is the picture) unless
 * duplicate_ok; ST_GALLERY_FULL, or the store's. */
enum status enrolment_store(struct request *r, struct enrolment *e) MUST_CHECK;

/* At start: logs and counts who has templates of other models alone, which are
 * kept and not compared. */
enum status enrolment_open(struct srv *srv, struct errinfo *err) MUST_CHECK;
/* Counts srv->people_waiting and to_reembed again after a change, under
 * srv->enrol_lock. */
void enrolment_recount(struct srv *srv);

/* Deletes the person from store and gallery. ST_NO_SUCH_PERSON. */
enum status enrolment_forget(struct request *r,
			     const char *person_id) MUST_CHECK;

#endif
