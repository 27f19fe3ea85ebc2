/* The memory budget of daemon and tool: the engine's rows and the server's. */
#ifndef FACEGATE_BUDGET_H
#define FACEGATE_BUDGET_H

#include <jansson.h>

#include "config.h"
#include "engine.h"

struct budget {
	struct budget_row rows[ENGINE_BUDGET_ROWS + 6];
	size_t count;
	size_t sum, mapped; /* bytes taken, and bytes of mapped files */
	size_t limit;	    /* bytes below which no supervisor should go */
};

/* Puts the server's rows behind the engine's `count` ones and adds up. The
 * limit is the sum with mapped models, 16 MiB for the programs themselves and
 * their libraries, and 384 KiB a connection, what Linux begins with for its
 * buffers; rounded up to 16 MiB. */
void budget_complete(struct budget *b, const struct config *cfg);

/* One line a row on standard output. */
void budget_print(const struct budget_row *rows, size_t count);
/* The rows as an array. */
json_t *budget_json(const struct budget_row *rows, size_t count);

#endif
