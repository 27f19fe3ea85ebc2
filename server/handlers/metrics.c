/* GET /metrics: counters in Prometheus' text format. */
#include "counters.h"

#include <stdlib.h>

#include "handlers/handlers.h"
#include "reply.h"
#include "srv.h"

void handle_metrics(struct request *r, unsigned slot)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)slot;
	if (out != NULL)
		counters_print(r->srv, out);
	if (out == NULL || fclose(out) != 0) {
		free(text);
		reply_error(r, ST_NO_MEMORY, "no memory for the answer");
		return;
	}
	reply_plain(r, text, "text/plain; version=0.0.4; charset=utf-8");
}
