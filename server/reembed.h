/* After a change of the model: templates made anew from kept crops.
 *
 * The first worker does it, one crop at a time, whenever no request waits: a
 * door waits for one crop at most, and with more than one worker for none. Each
 * template is committed by itself, so a daemon that dies in between goes on at
 * its next start with those that are left. Afterwards, crops are erased if they
 * are not to be kept any more.
 */
#ifndef FACEGATE_REEMBED_H
#define FACEGATE_REEMBED_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

struct srv;

/* Of struct srv; from the start on the first worker's alone. */
struct reembed {
	enum {
		REEMBED_OVER,
		REEMBED_BEGIN,
		REEMBED_EMBED,
		REEMBED_ERASE
	} stage;
	int64_t last;		/* number of the last crop that was looked at */
	int64_t made;		/* templates */
	uint64_t not_before_us; /* after a failure */
	enum status told;	/* the last failure, which is logged once */
};

/* At start: whether there is anything to do. */
enum status reembed_open(struct srv *srv, struct errinfo *err) MUST_CHECK;
bool reembed_is_due(const struct srv *srv);
/* The next crop, on that slot of the engine. Failures are logged, and tried
 * again after a minute. */
void reembed_step(struct srv *srv, unsigned slot);

#endif
