/* A door's decision: its record in the match log and its JSON. */
#ifndef FACEGATE_DECISION_H
#define FACEGATE_DECISION_H

#include "decide.h"
#include "picture.h"

struct outcome {
	const char *route; /* "verify" or "identify" */
	enum decision decision;
	const char *reason;	    /* stable word */
	enum status why;	    /* of the picture: ST_OK, ST_NO_FACE, ... */
	const char *door_id;	    /* "" for none */
	const struct db_door *door; /* its rules, or NULL */
	const struct db_person *person; /* asked for or found, or NULL */
	float score, cut;		/* NaN when nothing was compared */
	double fmr;			/* what the cut stands for */
	int64_t template_id;		/* 0 for none */
	int64_t match_us;		/* -1 for none */
	json_t *candidates;		/* or NULL; taken */
	unsigned made;			/* how often */
	enum status logged;		/* of decision_log */
	int64_t at_ms, log_id;		/* log_id is 0 for no row */
};

/* Reads the door_id parameter and the door's rules, if it has any, into *door.
 * Once there are doors, an id of none is ST_NO_SUCH_DOOR: a door that is
 * misspelt must not lose its rules. */
enum status decision_door(struct request *r, struct outcome *o,
			  struct db_door *door) MUST_CHECK;

/* The false match rate asked for, of the door or the configuration. */
double decision_target(const struct request *r, const struct outcome *o);
/* Sets o->cut and o->fmr, what it stands for: the cut for that rate, or the
 * door's own. */
void decision_cut(const struct request *r, struct outcome *o, double fmr);
/* Turns an allow for o->person into a deny when the person or the door
 * forbids it. */
void decision_obey(struct outcome *o);

/* Makes it a deny, since the person or template that was found is erased
 * meanwhile. Of a search neither the person nor a candidate is left. */
void decision_erased(struct outcome *o);

/* Writes the row of a decision made at at_ms and counts it; *log_id is 0 when
 * the store took no row. ST_NO_SUCH_PERSON, ST_NO_SUCH_TEMPLATE when the person
 * or the template that lets in was erased meanwhile: then there is no row. */
enum status decision_log(struct request *r, const struct picture *p,
			 const struct outcome *o, int64_t at_ms,
			 int64_t *log_id) MUST_CHECK;

/* Writes the row of a comparison. True when what it found was erased meanwhile,
 * as the row shows or ST_NO_SUCH_PERSON, the comparison's own status: the
 * caller compares again, with whoever is enrolled now. After a few times it is
 * a deny instead. */
bool decision_outdated(struct request *r, const struct picture *p,
		       struct outcome *o, enum status compared) MUST_CHECK;

/* After decision_outdated: answers 200 with the decision, also when the store
 * took no row; 404 when the person that was asked for is erased. */
void decision_reply(struct request *r, const struct picture *p,
		    struct outcome *o);

/* The score, or NULL when the one who asks may not see it. */
json_t *decision_score(const struct request *r, float score);

/* A picture that cannot be compared is a deny with its reason at a door, not
 * an error: true for no face, several faces and a face too small. One of low
 * quality is compared, and the decision is unsure. */
bool decision_is_deny(enum status st);

#endif
