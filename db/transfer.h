/* People on their way from one store to another: read out of one, which a
 * daemon may have, and put into the other all at once. Rules for threads as in
 * db.h.
 */
#ifndef FACEGATE_DB_TRANSFER_H
#define FACEGATE_DB_TRANSFER_H

#include "db.h"

/* Who takes what is read: a person, then each of that person's templates. They
 * must not call into db; other than ST_OK ends the export with that status. */
struct db_taker {
	enum status (*person)(void *ctx, const struct db_person *p);
	enum status (*template)(void *ctx, const struct db_template *about,
				const struct face_template *t);
	void *ctx;
};
/* Everybody in the order of their ids, or with person_id that one person
 * (ST_NO_SUCH_PERSON), templates of every model. A person is read at one moment
 * with all templates, the next one at a later moment, so that the wiping of
 * deleted rows is never held back for long. A row that does not decrypt ends it
 * with ST_BAD_DATABASE: some must not be taken for all. */
enum status db_export(struct db *db, const char *person_id,
		      const struct db_taker *to,
		      struct errinfo *err) MUST_CHECK;

enum db_existing { DB_EXISTING_REFUSE, DB_EXISTING_SKIP, DB_EXISTING_REPLACE };

/* People who come in, in one transaction: until its end nothing else can be
 * changed, and nothing of it counts. */
struct db_import {
	struct db *db;
	struct db_by by;
	enum db_existing existing; /* what becomes of people with a known id */
	/* So far: people added, replaced, and left alone as they are known;
	 * templates stored, and those of them of other than db's model. */
	int64_t added, replaced, known, templates, other_model;
	char first_known[PERSON_ID_MAX + 1];
	int64_t people;	    /* in the store */
	int64_t person_key; /* whose templates come; 0: a person left alone */
};
/* Begins it; db_import_end must follow if this is ST_OK. */
enum status db_import_begin(struct db_import *im, struct db *db,
			    enum db_existing existing, const struct db_by *by,
			    struct errinfo *err) MUST_CHECK;
/* A person, as made at p->created_ms, who has passed the checks that the API
 * makes. Replacing takes the place of everything of that person, templates
 * too, but not of the number by which the audit log knows it. ST_STORE_FULL.
 */
enum status db_import_person(struct db_import *im, const struct db_person *p,
			     struct errinfo *err) MUST_CHECK;
/* A template of the person before. about->id does not count. */
enum status db_import_template(struct db_import *im,
			       const struct db_template *about,
			       const struct face_template *t,
			       struct errinfo *err) MUST_CHECK;
/* Stores all of it if st is ST_OK and it can be; else nothing. Returns st, or
 * why it could not: ST_PERSON_EXISTS when known people are refused,
 * ST_GALLERY_FULL when the store then has more than gallery_max templates of
 * db's model. Of what was replaced no byte stays. */
enum status db_import_end(struct db_import *im, enum status st,
			  int64_t gallery_max, struct errinfo *err) MUST_CHECK;

#endif
