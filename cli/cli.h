/* What the subcommands share. */
#ifndef FACEGATE_CLI_H
#define FACEGATE_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include "config.h"
#include "engine.h"
#include "status.h"

enum { EXIT_MATCH = 0, EXIT_NO_MATCH = 1, EXIT_ERROR = 2 };

#define CLI_ARGS_MAX 4096

struct cli {
	struct config cfg;
	bool json;
	/* options of evaluate and align */
	const char *pairs, *images, *errata, *align, *face;
	bool all_impostors;
	unsigned threads; /* 0: one per processor */
	const char *command;
	const char *args[CLI_ARGS_MAX];
	size_t arg_count;
};

/* Opens the engine for `workers` threads with a gallery of one. */
enum status cli_open_engine(const struct cli *cli, unsigned workers,
			    struct engine **out,
			    struct errinfo *err) MUST_CHECK;

/* Decodes a picture file on a slot and finds its faces. */
enum status cli_load(struct engine *e, unsigned slot, const char *path,
		     struct picture_info *info, struct face *faces,
		     size_t *count, struct errinfo *err) MUST_CHECK;

/* A float as JSON with few digits, so that output stays readable. */
json_t *cli_real(double v, int digits);

void cli_print_json(json_t *object); /* takes the reference */
int cli_fail(const struct errinfo *err, const char *what); /* EXIT_ERROR */

int cli_detect(const struct cli *cli);
int cli_embed(const struct cli *cli);
int cli_compare(const struct cli *cli);
int cli_align(const struct cli *cli);
int cli_evaluate(const struct cli *cli);
int cli_budget(const struct cli *cli);
int cli_model_info(const struct cli *cli);
int cli_health(const struct cli *cli);
int cli_version(const struct cli *cli);

/* A bar with rate and time left on stderr, on terminals only. */
void cli_progress(const char *what, size_t done, size_t total, double seconds);

#endif
