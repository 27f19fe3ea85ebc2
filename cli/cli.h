/* What the subcommands share: the parsed command line, opening the engine as
 * the daemon would, loading a picture, and output. What asks a daemon shares
 * client.h as well.
 *
 * Errors go to stderr as one line each; stdout holds results alone.
 */
#ifndef FACEGATE_CLI_H
#define FACEGATE_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "engine.h"
#include "jsonvalue.h"
#include "status.h"

enum { EXIT_MATCH = 0, EXIT_NO_MATCH = 1, EXIT_ERROR = 2 };

struct cli {
	struct config cfg;
	bool json;
	/* evaluate */
	const char *pairs, *images, *errata, *attributes, *curves;
	bool margin;	    /* --align margin; align as well */
	bool all_impostors; /* --all-impostors */
	unsigned threads;   /* 0: one per processor */
	/* embed */
	bool aligned; /* --aligned */
	/* align */
	bool centre;   /* --face centre */
	unsigned side; /* --side, 0: ENGINE_CROP_PX */
	/* keys */
	const char *role, *label;
	bool signing; /* --signing; of what asks a daemon as well */
	/* export, import */
	const char *passphrase_file, *existing;
	bool plain;
	/* audit verify */
	const char *anchor;
	/* what asks a daemon, see client.h */
	const char *server, *api_key_file, *cacert, *cert, *key;
	/* parameters of the API, as given; the daemon judges them */
	const char *name, *search, *groups, *mode, *duplicate, *door, *top,
		*group;
	const char *person, *decision, *reason, *from, *to, *min_score;
	/* enroll */
	const char *from_folder, *from_csv, *report;
	/* logs, audit */
	unsigned limit; /* 0: not given */
	bool follow, csv;
	/* what is not an option: strings of argv */
	char **args;
	size_t arg_count;
};

/* Opens the engine for `workers` threads with a gallery of one. */
enum status cli_open_engine(const struct cli *cli, unsigned workers,
			    struct engine **out,
			    struct errinfo *err) MUST_CHECK;

/* Decodes a picture file on a slot and finds its faces, largest first. The
 * error's text does not name the file. */
enum status cli_load(struct engine *e, unsigned slot, const char *path,
		     struct picture_info *info,
		     struct face faces[ENGINE_FACES_MAX], size_t *count,
		     struct errinfo *err) MUST_CHECK;

/* The face whose box centre is nearest the picture's centre. count >= 1. */
size_t cli_central_face(const struct face *faces, size_t count,
			const struct picture_info *info);

/* A text as JSON whose bytes may not be UTF-8, as file names. */
json_t *cli_text(const char *text);
/* The cost of the slot's request so far, as members "ms" and
 * "pool_peak_bytes" of o. */
void cli_add_cost(json_t *o, const struct engine *e, unsigned slot);
json_t *cli_face_json(const struct face *f);

#define CLI_RATE_MAX 24
/* A rate as a key: 0.0001 is "1e-4". */
void cli_rate_name(double rate, char out[CLI_RATE_MAX]);

#define CLI_TIME_MAX 32
/* As 2026-01-31T12:34:56Z. */
void cli_time(int64_t unix_ms, char out[CLI_TIME_MAX]);

void cli_print_json(json_t *object); /* takes the reference */
/* One line on stderr: "facegate: what: text (code)". Returns EXIT_ERROR.
 * what may be NULL. */
int cli_fail(const struct errinfo *err, const char *what);
/* Whether stderr is a terminal that may show colours and a progress bar. */
bool cli_on_terminal(void);

int cli_detect(const struct cli *cli);
int cli_embed(const struct cli *cli);
int cli_compare(const struct cli *cli);
int cli_align(const struct cli *cli);
int cli_evaluate(const struct cli *cli);
int cli_calibrate(const struct cli *cli);
int cli_budget(const struct cli *cli);
int cli_backup(const struct cli *cli);
int cli_restore(const struct cli *cli);
int cli_export(const struct cli *cli);
int cli_import(const struct cli *cli);
int cli_keys(const struct cli *cli);
int cli_audit(const struct cli *cli);
int cli_model_info(const struct cli *cli);
int cli_health(const struct cli *cli);
int cli_version(const struct cli *cli);
int cli_enroll(const struct cli *cli);
int cli_verify(const struct cli *cli);
int cli_identify(const struct cli *cli);
int cli_logs(const struct cli *cli);
int cli_people(const struct cli *cli);
int cli_doors(const struct cli *cli);

#endif
