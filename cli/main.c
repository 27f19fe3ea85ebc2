/* facegate: the engine at a shell prompt. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "log.h"
#include "options.h"

extern char **environ;

static const char usage[] =
	"usage: facegate COMMAND [options] [arguments]\n"
	"\n"
	"asking a daemon:\n"
	"  enroll PERSON PICTURE... one person, all pictures or none\n"
	"  enroll --from-folder DIR, enroll --from-csv FILE\n"
	"                           many people; goes on where it stopped\n"
	"  verify PERSON PICTURE    is this the person?\n"
	"  identify PICTURE         who is this?\n"
	"  logs                     the match log\n"
	"  people list | show ID | add ID [FILE.json] | rename ID NAME | "
	"delete ID\n"
	"  doors list | show ID | add ID [FILE.json] | delete ID\n"
	"  health                   is the daemon ready?\n"
	"\n"
	"here, without one (a PICTURE may be - for standard input above "
	"only):\n"
	"  detect PICTURE...        faces: boxes, landmarks, confidence\n"
	"  embed PICTURE...         the template of the largest face\n"
	"  compare A.jpg B.jpg      do they show one person?\n"
	"  align PICTURE OUT.ppm    the 112x112 crop the embedder sees\n"
	"  evaluate --pairs FILE --images DIR\n"
	"                           LFW protocol: accuracy, error rates, "
	"times\n"
	"  calibrate                error rates among the people enrolled "
	"here\n"
	"  budget                   every pool with its bytes\n"
	"  keys add --role ROLE [--label TEXT] [--signing | --cert FILE]\n"
	"                           a new API key: door, kiosk, auditor or "
	"admin\n"
	"  keys list, keys revoke ID\n"
	"  keys rotate              a new key for the rows of the database\n"
	"  backup FILE              copy the database, also while a daemon "
	"runs\n"
	"  restore FILE             put a backup in its place; stop the daemon "
	"first\n"
	"  export FILE              people into a sealed file, also while a "
	"daemon runs\n"
	"  import FILE              people out of one; stop the daemon first\n"
	"  audit verify [--anchor SEQ:HASH]\n"
	"                           is the audit log as it was written?\n"
	"  audit list [--limit N]   the audit log, newest first\n"
	"  model-info FILE          size, layers and thresholds of a model\n"
	"  version                  build, kernel level, models\n"
	"  help                     this text\n"
	"\n"
	"options:\n"
	"  --json                   JSON on standard output\n"
	"  --config FILE            configuration file (see facegate.conf)\n"
	"  --KEY=VALUE              any configuration key\n"
	"  --                       what follows is no option\n"
	"asking a daemon:\n"
	"  --server URL             default: FACEGATE_SERVER, or the address "
	"in the\n"
	"                           configuration\n"
	"  --api-key-file FILE      the API key; default: FACEGATE_KEY\n"
	"  --signing                the key signs, and is not sent\n"
	"  --cacert FILE            certificates to trust, for https\n"
	"  --cert FILE, --key FILE  certificate and key to show, for https\n"
	"  --name TEXT              enroll, people add: the person's name\n"
	"  --mode append|replace, --duplicate refuse|allow   enroll\n"
	"  --report FILE            enroll many: what became of each picture\n"
	"  --door ID                verify, identify, logs\n"
	"  --top N, --group ID      identify\n"
	"  --search TEXT            people list: whose name or id contains it\n"
	"  --groups A,B             people add, doors add\n"
	"  --person ID, --decision WORD, --reason WORD, --from TIME, --to "
	"TIME,\n"
	"  --min-score N, --limit N logs: which rows\n"
	"  --follow                 logs: go on with what happens\n"
	"  --csv                    logs: as CSV\n"
	"here:\n"
	"  --signing, --cert FILE   keys add: the key signs; "
	"the certificate is the key\n"
	"  --passphrase-file FILE   export, import: what seals the file\n"
	"  --person ID [--plain]    export: one person; as readable text\n"
	"  --existing refuse|skip|replace\n"
	"                           import: people whose id is known "
	"(default: refuse)\n"
	"  --face largest|centre    align: which face (default: largest)\n"
	"  --side N                 align: pixels of the crop's side (default: "
	"112)\n"
	"  --threads N              evaluate: threads (default: all "
	"processors)\n"
	"  --align points|margin    evaluate, align: five-point alignment "
	"(default),\n"
	"                           or the box with a fixed margin\n"
	"  --aligned                embed: the files are crops written by "
	"align\n"
	"  --all-impostors          evaluate: all comparisons of all pictures\n"
	"  --errata FILE            evaluate: label errors to leave out\n"
	"  --attributes FILE        evaluate: error rates of groups of people\n"
	"  --curves DIR             evaluate: scores and pictures as CSV\n"
	"\n"
	"exit status: 0 match, ready or done; 1 no match, no face, not ready;\n"
	"             2 error\n";

static const struct command {
	const char *name;
	int (*run)(const struct cli *cli);
	size_t args_min, args_max;
} commands[] = {
	{ "detect", cli_detect, 1, SIZE_MAX },
	{ "embed", cli_embed, 1, SIZE_MAX },
	{ "compare", cli_compare, 2, 2 },
	{ "align", cli_align, 2, 2 },
	{ "evaluate", cli_evaluate, 0, 0 },
	{ "calibrate", cli_calibrate, 0, 0 },
	{ "budget", cli_budget, 0, 0 },
	{ "keys", cli_keys, 1, 2 },
	{ "backup", cli_backup, 1, 1 },
	{ "restore", cli_restore, 1, 1 },
	{ "export", cli_export, 1, 1 },
	{ "import", cli_import, 1, 1 },
	{ "audit", cli_audit, 1, 1 },
	{ "model-info", cli_model_info, 1, 1 },
	{ "health", cli_health, 0, 0 },
	{ "version", cli_version, 0, 0 },
	{ "enroll", cli_enroll, 0, SIZE_MAX },
	{ "verify", cli_verify, 2, 2 },
	{ "identify", cli_identify, 1, 1 },
	{ "logs", cli_logs, 0, 0 },
	{ "people", cli_people, 1, 3 },
	{ "doors", cli_doors, 1, 3 },
};

/* The command line is read twice: first for the command and --config, whose
 * places on the line do not matter, then for what overrides the file. */
struct scan {
	struct cli *cli;
	int argc;
	char **argv;
	bool apply;
	const char *command, *config; /* known once it was read once */
};

static enum status take_option(struct scan *s, int *i, struct errinfo *err)
{
	const char *a = s->argv[*i] + 2, *eq = strchr(a, '=');
	size_t n = eq ? (size_t)(eq - a) : strlen(a);
	const char *value = eq ? eq + 1 : NULL;
	const struct option *o;
	char name[64];
	bool json;

	if (n >= sizeof(name))
		return err_set(err, ST_BAD_CONFIG, "unknown option --%.60s", a);
	memcpy(name, a, n);
	name[n] = '\0';
	o = options_find(name);
	json = strcmp(name, "json") == 0;
	if (o == NULL && !json && !cfg_is_key(name) &&
	    strcmp(name, "config") != 0)
		return err_set(err, ST_BAD_CONFIG, "unknown option --%s", name);
	if (json || (o != NULL && !options_take_value(o))) {
		if (value != NULL)
			return err_set(err, ST_BAD_CONFIG,
				       "--%s takes no value", name);
	} else if (value == NULL) {
		if (*i + 1 >= s->argc)
			return err_set(err, ST_BAD_CONFIG, "--%s needs a value",
				       name);
		value = s->argv[++*i];
	}
	if (json)
		s->cli->json = true;
	else if (strcmp(name, "config") == 0)
		s->config = value;
	else if (!s->apply)
		return ST_OK;
	else if (o == NULL)
		return cfg_set(&s->cli->cfg, name, value, err);
	else
		return options_set(s->cli, o, s->command, value, err);
	return ST_OK;
}

/* The second time, arguments are moved to the front of argv. */
static enum status scan(struct scan *s, bool apply, struct errinfo *err)
{
	bool only_args = false, found = false;
	size_t kept = 0;

	s->apply = apply;
	for (int i = 1; i < s->argc; i++) {
		char *a = s->argv[i];
		enum status st;

		if (!only_args && strcmp(a, "--") == 0) {
			only_args = true;
		} else if (only_args || a[0] != '-' || a[1] == '\0') {
			if (found && apply)
				s->argv[kept++] = a;
			else if (!found)
				s->command = a;
			found = true;
		} else if (a[1] != '-') {
			return err_set(err, ST_BAD_CONFIG,
				       "unknown option %.60s", a);
		} else {
			st = take_option(s, &i, err);
			if (st != ST_OK)
				return st;
		}
	}
	s->cli->args = s->argv;
	s->cli->arg_count = kept;
	return ST_OK;
}

static bool wants_help(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "help") == 0)
		return true;
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

static const struct command *find_command(const char *name, struct errinfo *err)
{
	if (name == NULL) {
		err_set(err, ST_BAD_CONFIG, "no command: see facegate help");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	err_set(err, ST_BAD_CONFIG, "unknown command %.60s: see facegate help",
		name);
	return NULL;
}

static enum status parse(struct scan *s, const struct command **command,
			 struct errinfo *err)
{
	struct cli *cli = s->cli;
	enum status st;
	size_t n;

	cfg_defaults(&cli->cfg);
	st = scan(s, false, err);
	if (st != ST_OK)
		return st;
	*command = find_command(s->command, err);
	if (*command == NULL)
		return err->status;
	if (s->config != NULL)
		st = cfg_read_file(&cli->cfg, s->config, err);
	if (st == ST_OK)
		st = cfg_read_env(&cli->cfg, environ, err);
	if (st == ST_OK)
		st = scan(s, true, err);
	if (st == ST_OK)
		st = cfg_check(&cli->cfg, err);
	n = cli->arg_count;
	if (st == ST_OK &&
	    (n < (*command)->args_min || n > (*command)->args_max))
		st = err_set(err, ST_BAD_CONFIG,
			     "%s does not take %zu arguments: see facegate "
			     "help",
			     (*command)->name, n);
	return st;
}

int main(int argc, char **argv)
{
	static struct cli cli;
	struct scan s = { .cli = &cli,
			  .argc = argc,
			  .argv = argv,
			  .config = getenv("FACEGATE_CONFIG") };
	const struct command *command = NULL;
	struct errinfo err;
	int code;

	log_open();
	err_clear(&err);
	if (wants_help(argc, argv)) {
		fputs(usage, stdout);
		code = EXIT_MATCH;
	} else if (argc < 2) {
		fputs(usage, stderr);
		return EXIT_ERROR;
	} else if (parse(&s, &command, &err) != ST_OK) {
		return cli_fail(&err, NULL);
	} else {
		code = command->run(&cli);
	}
	/* A result that could not be written is no result. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		err_clear(&err);
		err_set(&err, ST_IO_ERROR, "cannot write the output");
		return cli_fail(&err, NULL);
	}
	return code;
}
