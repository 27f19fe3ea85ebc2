/* Absolute deadlines for connections.
 *
 * libmicrohttpd restarts its timeout at every byte, so a client that sends one
 * now and then can hold a connection for ever. Here each connection has one
 * absolute deadline for whatever it is doing; a thread shuts down the sockets
 * of those that pass it. When places are short, the one whose deadline is next
 * is shut down at once, if it has no request or none with a key.
 */
#ifndef FACEGATE_DEADLINE_H
#define FACEGATE_DEADLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct deadlines;
struct deadline; /* of one connection */

/* `places` is how many connections there may be; `after_us` for each step. */
enum status deadline_open(size_t places, uint64_t after_us,
			  struct deadlines **out,
			  struct errinfo *err) MUST_CHECK;
void deadline_close(struct deadlines *d);

/* A new socket; NULL when the table is full. Its deadline starts now. When it
 * takes the last place, one that yields is shut down. */
struct deadline *deadline_begin(struct deadlines *d, int fd);
/* The same socket is about to close: it will not be touched any more. */
void deadline_end(struct deadline *c);

/* Another step begins: the deadline starts anew. */
void deadline_restart(struct deadline *c);
/* Whether it may have to give its place to another, as it must at first: not
 * while a request is under way whose key is right. */
void deadline_yields(struct deadline *c, bool yields);
/* The step is ours, not the client's: no deadline until deadline_restart. */
void deadline_pause(struct deadline *c);

#endif
