/* The match log as a stream of text, however long it is: a worker fills one
 * buffer with rows, the network thread sends it and asks for the next.
 *
 * Memory: one buffer an export, LOGEXPORT_MAX of them at most. The buffer
 * belongs to the worker while r->done is false, and else to the network
 * thread. */
#ifndef FACEGATE_LOGEXPORT_H
#define FACEGATE_LOGEXPORT_H

#include "request.h"

#define LOGEXPORT_MAX 2

struct logexport;

/* The row as the API tells it. */
json_t *logexport_row(const struct match_event *ev);

/* On a worker: fills the first buffer and sets r's answer. At most rows rows.
 * ST_BUSY when there are LOGEXPORT_MAX exports, or the store's error. */
enum status logexport_begin(struct request *r, const struct log_filter *f,
			    int64_t rows) MUST_CHECK;
/* On a worker: fills the next one. */
void logexport_fill(struct request *r);
/* When r is over; without an export nothing happens. */
void logexport_end(struct request *r);

#endif
