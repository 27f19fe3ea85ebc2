#include "replay.h"

#include <stdlib.h>
#include <string.h>

struct replay {
	int64_t window_s;
	int64_t floor_s; /* up to here everything is too old */
	struct seen {
		int64_t time_s; /* at or below the floor: the slot is free */
		uint8_t mac[REPLAY_MAC_BYTES];
	} seen[REPLAY_SEEN_MAX];
};

enum status replay_open(int64_t window_s, int64_t now_s, struct replay **out,
			struct errinfo *err)
{
	struct replay *p = calloc(1, sizeof(*p));

	*out = p;
	if (p == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for signatures");
	p->window_s = window_s;
	p->floor_s = now_s + REPLAY_AHEAD_S;
	return ST_OK;
}

void replay_close(struct replay *p)
{
	free(p);
}

enum status replay_admit(struct replay *p, int64_t now_s, int64_t time_s,
			 const uint8_t mac[REPLAY_MAC_BYTES],
			 struct errinfo *err)
{
	struct seen *slot = &p->seen[0];

	if (p->floor_s < now_s - p->window_s)
		p->floor_s = now_s - p->window_s;
	if (time_s <= p->floor_s || time_s > now_s + REPLAY_AHEAD_S)
		return err_set(err, ST_STALE_REQUEST,
			       "the time of the signature is too old or ahead "
			       "of the daemon's, %lld",
			       (long long)now_s);
	for (size_t i = 0; i < REPLAY_SEEN_MAX; i++) {
		struct seen *k = &p->seen[i];

		if (k->time_s == time_s &&
		    memcmp(k->mac, mac, REPLAY_MAC_BYTES) == 0)
			return err_set(err, ST_REPLAYED_REQUEST,
				       "this request was taken before: sign "
				       "each one anew");
		if (k->time_s < slot->time_s)
			slot = k;
	}
	/* The oldest goes, and with it all that is as old. */
	if (slot->time_s > p->floor_s)
		p->floor_s = slot->time_s;
	slot->time_s = time_s;
	memcpy(slot->mac, mac, REPLAY_MAC_BYTES);
	return ST_OK;
}
