/* Signed requests that were taken, so that none is taken again.
 *
 * Threads: no locks; all of it belongs to the network thread. Memory: one block
 * at open, whose pages are touched when signed requests come. */
#ifndef FACEGATE_REPLAY_H
#define FACEGATE_REPLAY_H

#include <stdint.h>

#include "status.h"

#define REPLAY_AHEAD_S	 2    /* how far a client's clock may be ahead */
#define REPLAY_SEEN_MAX	 4096 /* requests that are remembered */
#define REPLAY_MAC_BYTES 16   /* of a signature: enough to know it again */

struct replay;

/* Requests may be window_s old. Those of before the start, of which nothing is
 * known, are too old. */
enum status replay_open(int64_t window_s, int64_t now_s, struct replay **out,
			struct errinfo *err) MUST_CHECK;
void replay_close(struct replay *p); /* NULL is fine */

/* Takes a request whose signature, which begins with mac, fits, once.
 * ST_STALE_REQUEST when its time is past or ahead, ST_REPLAYED_REQUEST when it
 * was taken before. Time that was too old once stays so when the clock is put
 * back; when more would be remembered than there is room for, the oldest goes
 * and what is as old becomes too old. */
enum status replay_admit(struct replay *p, int64_t now_s, int64_t time_s,
			 const uint8_t mac[REPLAY_MAC_BYTES],
			 struct errinfo *err) MUST_CHECK;

#endif
