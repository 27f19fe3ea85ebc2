/* The options of single commands. What is not among them is a configuration
 * key. */
#ifndef FACEGATE_OPTIONS_H
#define FACEGATE_OPTIONS_H

#include <stdbool.h>

#include "cli.h"

struct option;

/* NULL: there is no such option. */
const struct option *options_find(const char *name);
bool options_take_value(const struct option *o);
/* value is kept, not copied; NULL for an option that takes none. */
enum status options_set(struct cli *cli, const struct option *o,
			const char *command, const char *value,
			struct errinfo *err) MUST_CHECK;

#endif
