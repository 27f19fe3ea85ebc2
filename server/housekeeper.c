#include "housekeeper.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine_setup.h"

#define STACK_BYTES (256 * 1024)
#define TICK_MS	    1000

struct housekeeper {
	struct db *db;
	int stop; /* eventfd */
	pthread_t thread;
};

static void *run(void *arg)
{
	const struct housekeeper *h = arg;
	struct pollfd stop = { .fd = h->stop, .events = POLLIN };
	bool more;

	do
		db_upkeep(h->db, srv_wall_ms(), &more);
	while (poll(&stop, 1, more ? 0 : TICK_MS) <= 0);
	return NULL;
}

enum status housekeeper_start(struct db *db, struct housekeeper **out,
			      struct errinfo *err)
{
	struct housekeeper *h = calloc(1, sizeof(*h));
	pthread_attr_t small;
	int rc;

	if (h == NULL)
		return err_set(err, ST_NO_MEMORY,
			       "no memory for the housekeeper");
	h->db = db;
	h->stop = eventfd(0, EFD_CLOEXEC);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	rc = h->stop < 0 ? -1 : pthread_create(&h->thread, &small, run, h);
	pthread_attr_destroy(&small);
	if (rc == 0) {
		*out = h;
		return ST_OK;
	}
	if (h->stop >= 0)
		close(h->stop);
	free(h);
	return err_set(err, ST_NO_MEMORY, "cannot start the housekeeper");
}

void housekeeper_stop(struct housekeeper *h)
{
	if (h == NULL)
		return;
	(void)eventfd_write(h->stop, 1);
	pthread_join(h->thread, NULL);
	close(h->stop);
	free(h);
}
