/* facegate: the engine at a shell prompt. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

extern char **environ;

static const char usage[] =
	"usage: facegate COMMAND [options] [arguments]\n"
	"\n"
	"  detect PICTURE...        faces: boxes, landmarks, confidence\n"
	"  embed PICTURE...         the template of the largest face\n"
	"  compare A.jpg B.jpg      do they show one person?\n"
	"  align PICTURE OUT.ppm    the 112x112 crop the embedder sees\n"
	"  evaluate --pairs FILE --images DIR\n"
	"                           LFW protocol: accuracy, error rates, "
	"times\n"
	"  budget                   every pool with its bytes\n"
	"  model-info FILE          size, layers and thresholds of a model\n"
	"  health                   is the daemon ready?\n"
	"  version                  build, kernel level, models\n"
	"\n"
	"options:\n"
	"  --json                   one JSON object on standard output\n"
	"  --config FILE            configuration file (see facegate.conf)\n"
	"  --KEY=VALUE              any configuration key\n"
	"  --threads N              evaluate: threads (default: all "
	"processors)\n"
	"  --align points|margin    evaluate: five-point alignment, or the "
	"box\n"
	"                           with a fixed margin\n"
	"  --all-impostors          evaluate: all comparisons of all pictures\n"
	"  --errata FILE            evaluate: label errors to leave out\n"
	"\n"
	"exit status: 0 match, ready or done; 1 no match, no face, not ready;\n"
	"             2 error\n";

static const struct {
	const char *name;
	int (*run)(const struct cli *cli);
	size_t min_args;
} commands[] = {
	{ "detect", cli_detect, 1 },	     { "embed", cli_embed, 1 },
	{ "compare", cli_compare, 2 },	     { "align", cli_align, 2 },
	{ "evaluate", cli_evaluate, 0 },     { "budget", cli_budget, 0 },
	{ "model-info", cli_model_info, 1 }, { "version", cli_version, 0 },
	{ "health", cli_health, 0 },
};

static enum status parse_threads(struct cli *cli, const char *value,
				 struct errinfo *err)
{
	char *end;
	long n = strtol(value, &end, 10);

	if (end == value || *end || n < 1 || n > ENGINE_WORKERS_MAX)
		return err_set(err, ST_BAD_REQUEST,
			       "--threads: %.40s is not within 1 and %d", value,
			       ENGINE_WORKERS_MAX);
	cli->threads = (unsigned)n;
	return ST_OK;
}

static enum status take_option(struct cli *cli, const char *name,
			       const char *value, struct errinfo *err)
{
	if (strcmp(name, "config") == 0)
		return ST_OK; /* read before the others */
	if (strcmp(name, "pairs") == 0)
		cli->pairs = value;
	else if (strcmp(name, "images") == 0)
		cli->images = value;
	else if (strcmp(name, "errata") == 0)
		cli->errata = value;
	else if (strcmp(name, "threads") == 0)
		return parse_threads(cli, value, err);
	else if (strcmp(name, "align") == 0) {
		if (strcmp(value, "points") != 0 &&
		    strcmp(value, "margin") != 0)
			return err_set(err, ST_BAD_REQUEST,
				       "--align: points or margin");
		cli->align = value;
	} else {
		return cfg_set(&cli->cfg, name, value, err);
	}
	return ST_OK;
}

/* Splits argv: options may stand anywhere, as --name=value or --name value. */
static enum status parse(struct cli *cli, int argc, char **argv,
			 const char **config, bool apply, struct errinfo *err)
{
	cli->arg_count = 0;
	cli->command = NULL;
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *eq, *value;
		char name[64];
		size_t n;
		enum status st;

		if (strcmp(a, "--json") == 0) {
			cli->json = true;
			continue;
		}
		if (strcmp(a, "--all-impostors") == 0) {
			cli->all_impostors = true;
			continue;
		}
		if (strncmp(a, "--", 2) != 0) {
			if (cli->command == NULL)
				cli->command = a;
			else if (cli->arg_count < CLI_ARGS_MAX)
				cli->args[cli->arg_count++] = a;
			else
				return err_set(err, ST_BAD_REQUEST,
					       "more than %d arguments",
					       CLI_ARGS_MAX);
			continue;
		}
		eq = strchr(a, '=');
		n = eq ? (size_t)(eq - a) - 2 : strlen(a) - 2;
		if (n >= sizeof(name))
			n = sizeof(name) - 1;
		memcpy(name, a + 2, n);
		name[n] = '\0';
		value = eq ? eq + 1 : i + 1 < argc ? argv[++i] : NULL;
		if (value == NULL)
			return err_set(err, ST_BAD_REQUEST,
				       "--%s needs a value", name);
		if (strcmp(name, "config") == 0)
			*config = value;
		st = apply ? take_option(cli, name, value, err) : ST_OK;
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

int main(int argc, char **argv)
{
	static struct cli cli;
	const char *config = getenv("FACEGATE_CONFIG");
	struct errinfo err;

	err_clear(&err);
	cfg_defaults(&cli.cfg);
	if (argc < 2 || strcmp(argv[1], "help") == 0 ||
	    strcmp(argv[1], "--help") == 0) {
		fputs(usage, argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_ERROR : 0;
	}
	/* First for --config, whose place on the line does not matter. */
	if (parse(&cli, argc, argv, &config, false, &err) != ST_OK ||
	    (config && cfg_read_file(&cli.cfg, config, &err) != ST_OK) ||
	    cfg_read_env(&cli.cfg, environ, &err) != ST_OK ||
	    parse(&cli, argc, argv, &config, true, &err) != ST_OK ||
	    cfg_check(&cli.cfg, &err) != ST_OK)
		return cli_fail(&err, "");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (cli.command == NULL ||
		    strcmp(cli.command, commands[i].name) != 0)
			continue;
		if (cli.arg_count < commands[i].min_args)
			break;
		return commands[i].run(&cli);
	}
	fputs(usage, stderr);
	return EXIT_ERROR;
}
