/* facegated: builds the floors in order, waits for a signal, and takes them
 * down in reverse. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "auditwatch.h"
#include "budget.h"
#include "config.h"
#include "db.h"
#include "engine.h"
#include "engine_setup.h"
#include "heartbeat.h"
#include "housekeeper.h"
#include "keystore.h"
#include "listen.h"
#include "log.h"
#include "resident.h"
#include "selftest.h"
#include "server.h"
#include "store_setup.h"
#include "supervisor.h"

enum { EXIT_STOPPED = 0, EXIT_CANNOT_START = 1, EXIT_USAGE = 2 };

enum command {
	RUN,
	PRINT_CONFIG,
	PRINT_SAMPLE,
	CHECK_CONFIG,
	PRINT_BUDGET,
	PRINT_BUDGET_JSON
};

static const char usage[] =
	"usage: facegated [--config FILE] [--KEY=VALUE ...]\n"
	"\n"
	"  --print-config   every key with the value in force\n"
	"  --print-sample   the commented sample configuration\n"
	"  --check-config   check the configuration and exit\n"
	"  --print-budget [--json]   every pool with its bytes\n"
	"  --version, --help\n"
	"\n"
	"Keys come from the file, then FACEGATE_<KEY> in the environment, "
	"then\n"
	"the command line. SIGTERM stops the daemon after the requests at "
	"work.\n"
	"\n"
	"exit status: 0 stopped, 1 cannot start, 2 usage or configuration\n";

/* Another start would do no better with the same configuration. */
static int fail(const struct errinfo *err)
{
	const bool at_fault = err->status == ST_BAD_CONFIG;

	fprintf(stderr, "facegated: %s (%s)\n",
		err->text[0] ? err->text : status_title(err->status),
		status_code(err->status));
	return at_fault ? EXIT_USAGE : EXIT_CANNOT_START;
}

static enum status take_arg(struct config *cfg, int argc, char **argv, int *i,
			    bool apply, const char **file, enum command *what,
			    struct errinfo *err)
{
	const char *a = argv[*i], *eq = strchr(a, '=');
	const char *value;
	char name[64];
	size_t n;

	if (strcmp(a, "--print-config") == 0)
		*what = PRINT_CONFIG;
	else if (strcmp(a, "--print-sample") == 0)
		*what = PRINT_SAMPLE;
	else if (strcmp(a, "--check-config") == 0)
		*what = CHECK_CONFIG;
	else if (strcmp(a, "--print-budget") == 0)
		*what = PRINT_BUDGET;
	else if (strcmp(a, "--json") == 0 && *what >= PRINT_BUDGET)
		*what = PRINT_BUDGET_JSON;
	else if (strcmp(a, "--json") == 0)
		return err_set(err, ST_BAD_CONFIG,
			       "--json goes behind --print-budget");
	else if (strncmp(a, "--", 2) != 0)
		return err_set(err, ST_BAD_CONFIG, "\"%.60s\" is not an option",
			       a);
	else
		goto key;
	return ST_OK;
key:
	n = eq ? (size_t)(eq - a) - 2 : strlen(a) - 2;
	if (n >= sizeof(name))
		return err_set(err, ST_BAD_CONFIG, "unknown option %.60s", a);
	memcpy(name, a + 2, n);
	name[n] = '\0';
	value = eq ? eq + 1 : *i + 1 < argc ? argv[++*i] : NULL;
	if (value == NULL)
		return err_set(err, ST_BAD_CONFIG, "--%s needs a value", name);
	if (strcmp(name, "config") == 0) {
		*file = value;
		return ST_OK;
	}
	return apply ? cfg_set(cfg, name, value, err) : ST_OK;
}

static enum status read_config(struct config *cfg, int argc, char **argv,
			       enum command *what, struct errinfo *err)
{
	const char *file = getenv("FACEGATE_CONFIG");
	enum status st = ST_OK;

	cfg_defaults(cfg);
	/* Once for --config, whose place on the line does not matter. */
	for (int i = 1; i < argc && st == ST_OK; i++)
		st = take_arg(cfg, argc, argv, &i, false, &file, what, err);
	if (st == ST_OK && file != NULL)
		st = cfg_read_file(cfg, file, err);
	if (st == ST_OK)
		st = cfg_read_env(cfg, environ, err);
	for (int i = 1; i < argc && st == ST_OK; i++)
		st = take_arg(cfg, argc, argv, &i, true, &file, what, err);
	return st == ST_OK ? cfg_check(cfg, err) : st;
}

/* What a configuration names that must be there before a start. */
static enum status check_outside(const struct config *cfg, struct errinfo *err)
{
	struct MHD_OptionItem options[2];
	struct sockaddr_storage sa;
	char host[CFG_TEXT_MAX];
	enum status st = listen_where(cfg->listen, -1, false, host, &sa,
				      options, err);

	return st == ST_OK ? cfg_check_files(cfg, err) : st;
}

static int print_budget(const struct config *cfg, bool json)
{
	struct srv_engine_paths paths;
	struct engine_options opt;
	struct errinfo err;
	struct budget b = { .count = 0 };
	enum status st;

	err_clear(&err);
	srv_engine_options(cfg, &paths, &opt);
	st = engine_budget(&opt, b.rows, &b.count, &err);
	budget_complete(&b, cfg);
	if (json) {
		json_t *o = json_pack("{s:I, s:I, s:o, s:I, s:I, s:I}",
				      "pool_bytes", (json_int_t)opt.pool_bytes,
				      "workers", (json_int_t)opt.workers,
				      "rows", budget_json(b.rows, b.count),
				      "sum_bytes", (json_int_t)b.sum,
				      "mapped_bytes", (json_int_t)b.mapped,
				      "limit_bytes", (json_int_t)b.limit);

		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
	} else {
		const struct budget_row sums[] = {
			{ .name = "sum", .bytes = b.sum },
			{ .name = "sum with mapped models",
			  .bytes = b.sum + b.mapped },
			{ .name = "memory limit to set", .bytes = b.limit },
		};

		budget_print(b.rows, b.count);
		budget_print(sums, 3);
	}
	return st == ST_OK ? EXIT_STOPPED : fail(&err);
}

static enum status open_engine(const struct config *cfg, struct engine **e,
			       struct errinfo *err)
{
	struct srv_engine_paths paths;
	struct engine_options opt;
	struct budget b;
	enum status st;

	srv_engine_options(cfg, &paths, &opt);
	st = srv_engine_key(cfg, &paths, &opt, err);
	if (st == ST_OK)
		st = engine_open(&opt, e, err);
	if (st != ST_OK)
		return st;
	b.count = engine_budget_rows(*e, b.rows);
	budget_complete(&b, cfg);
	log_line(LOG_INFO, "budget",
		 "sum_bytes=%zu mapped_bytes=%zu pool_bytes=%zu workers=%u "
		 "gallery_max=%zu",
		 b.sum, b.mapped, opt.pool_bytes, opt.workers, opt.gallery_max);
	return ST_OK;
}

/* Templates, names and keys lie in memory: no file of it is ever written, and
 * no other process of this user may look into it. */
static void keep_memory_private(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Rows under an older key, after a change of keys or a start in the middle of
 * one, are encrypted again while requests go on: some at a time, for a disk may
 * be slow. Returns whether there may be more. */
static bool reseal_rows(struct db *db)
{
	static enum status told;
	struct errinfo err;
	enum status st;
	bool more = false;

	err_clear(&err);
	st = db_reseal(db, &more, &err);
	if (st != ST_OK && st != told)
		log_line(LOG_ERROR, "keys_not_changed", "code=%s text=\"%s\"",
			 status_code(st), err.text);
	told = st;
	return st == ST_OK && more;
}

/* Returns the signal that stops the daemon. SIGHUP does not: it reads
 * certificates again. */
static int wait_for_stop(const sigset_t *signals, struct db *db,
			 struct srv *srv, struct auditwatch *watch,
			 const struct supervisor *sup)
{
	const struct timespec none = { 0, 0 };
	struct timespec tick = { 1, 0 };
	bool more;
	int sig = 0;

	/* A tenth of what the watchdog waits, if that is less. */
	if (sup->watchdog_us > 0 && sup->watchdog_us < 10000000)
		tick = (struct timespec){ 0, (long)sup->watchdog_us * 100 };
	do {
		more = reseal_rows(db);
		heartbeat_turn(srv);
		auditwatch_tick(watch);
		if (sig == SIGHUP)
			supervisor_tell(sup,
					"RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
					srv_now_us());
		srv_refresh(srv, sig == SIGHUP);
		if (sig == SIGHUP)
			supervisor_tell(sup, "READY=1");
		sig = sigtimedwait(signals, NULL, more ? &none : &tick);
	} while (sig < 0 || sig == SIGHUP);
	return sig;
}

/* The one moment at which the daemon itself says a key: there is none, and its
 * owner asked for one. */
static enum status make_first_key(const struct config *cfg, struct errinfo *err)
{
	size_t max = (size_t)cfg->keys_max, count = 0;
	struct keystore_key *keys = calloc(max, sizeof(*keys));
	char text[KEY_TEXT_CHARS + 1];
	enum status st;

	if (keys == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for the keys");
	st = keystore_load(cfg->data_dir, keys, max, &count, err);
	keystore_free(keys, max);
	if (st != ST_OK || count > 0)
		return st;
	st = keystore_add(cfg->data_dir, max, ROLE_ADMIN, KEY_BEARER, "first",
			  srv_wall_ms(), text, err);
	if (st == ST_OK)
		printf("first admin key, shown this once: %s\n", text);
	explicit_bzero(text, sizeof(text));
	return st;
}

struct load {
	struct engine *engine;
	size_t count;
};

static enum status load_row(void *ctx, int64_t person_key, int64_t template_id,
			    const struct face_template *t)
{
	struct load *l = ctx;

	l->count++;
	return gallery_put(engine_gallery(l->engine), person_key, &template_id,
			   t, 1, 0);
}

/* Loads all templates of the embedder in use into the gallery. */
static enum status load_gallery(struct engine *engine, struct db *db,
				size_t *count, struct errinfo *err)
{
	struct load l = { engine, 0 };
	enum status st = db_templates_each(db, engine_info(engine)->model_id,
					   load_row, &l, err);

	*count = l.count;
	if (st == ST_GALLERY_FULL)
		err_limit(err, st,
			  (int64_t)gallery_capacity(engine_gallery(engine)),
			  ERR_NO_NUMBER,
			  "the store holds more templates than gallery_max, "
			  "%zu",
			  gallery_capacity(engine_gallery(engine)));
	return st;
}

static enum status open_floors(const struct config *cfg,
			       const struct supervisor *sup, struct engine **e,
			       struct db **db, struct auditwatch *watch,
			       struct srv **srv, struct errinfo *err)
{
	struct srv_store_paths paths;
	struct db_options dbo;
	float score = 0.0f;
	size_t loaded = 0;
	struct db_condition how = { 0 };
	enum status st;

	srv_store_options(cfg, &paths, &dbo);
	supervisor_tell(sup, "STATUS=Checking models, and itself with them");
	st = open_engine(cfg, e, err);
	if (st == ST_OK)
		dbo.model_id = engine_info(*e)->model_id;
	if (st == ST_OK)
		st = selftest_run(*e, 0, &score, err);
	supervisor_tell(sup, "STATUS=Opening the database");
	if (st == ST_OK)
		st = db_open_or_restore(&dbo, db, err);
	if (st == ST_OK)
		st = load_gallery(*e, *db, &loaded, err);
	if (st == ST_OK)
		db_condition(*db, &how);
	if (st == ST_OK && how.verify_only && loaded == 0)
		st = err_set(err, ST_BAD_DATABASE,
			     "the database is damaged, there is no backup, "
			     "and nobody in it can be read");
	if (st == ST_OK && cfg->first_key)
		st = make_first_key(cfg, err);
	if (st == ST_OK)
		auditwatch_start(watch, cfg, *db, engine_info(*e)->model_id);
	if (st == ST_OK)
		st = srv_open(cfg, *e, *db, sup, score, srv, err);
	if (st == ST_OK)
		log_line(LOG_INFO, "ready",
			 "version=%s isa=%s model=%s templates=%zu "
			 "selftest=%.4f",
			 FACEGATE_VERSION, engine_info(*e)->isa,
			 engine_info(*e)->model_id, loaded, (double)score);
	return st;
}

static int serve(const struct config *cfg)
{
	struct engine *engine = NULL;
	struct db *db = NULL;
	struct srv *srv = NULL;
	struct housekeeper *keeper = NULL;
	struct supervisor sup;
	struct auditwatch watch;
	struct errinfo err;
	sigset_t signals;
	int sig, code = EXIT_STOPPED;

	err_clear(&err);
	if (supervisor_read(&sup, &err) != ST_OK)
		return fail(&err);
	/* Blocked before any thread exists, so that all inherit it and only
	 * wait_for_stop sees them. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on files is as a full disk */
	resident_frugal_heap();
	resident_drop_libraries();
	umask(0077);
	keep_memory_private();
	if (open_floors(cfg, &sup, &engine, &db, &watch, &srv, &err) == ST_OK &&
	    housekeeper_start(db, &keeper, &err) == ST_OK) {
		resident_drop_libraries();
		printf("listening on %s://%s:%u\n", srv_scheme(srv),
		       srv_host(srv), srv_port(srv));
		fflush(stdout);
		supervisor_tell(&sup, "READY=1\nSTATUS=Serving %s port %u",
				srv_host(srv), srv_port(srv));
		sig = wait_for_stop(&signals, db, srv, &watch, &sup);
		log_line(LOG_INFO, "stopping", "signal=%d", sig);
		supervisor_tell(&sup, "STOPPING=1\nSTATUS=Finishing requests");
	} else {
		supervisor_tell(&sup, "STATUS=%s", err.text);
		code = fail(&err);
	}
	housekeeper_stop(keeper);
	srv_close(srv);
	db_close(db);
	engine_close(engine);
	return code;
}

int main(int argc, char **argv)
{
	enum command what = RUN;
	enum log_level level;
	struct config cfg;
	struct errinfo err;

	log_open();
	err_clear(&err);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			fputs(usage, stdout);
			return EXIT_STOPPED;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("facegated %s\n", FACEGATE_VERSION);
			return EXIT_STOPPED;
		}
	}
	if (read_config(&cfg, argc, argv, &what, &err) != ST_OK)
		return fail(&err);
	/* cfg_check has looked at the name. */
	if (log_level_named(cfg.log_level, &level))
		log_set_level(level);
	switch (what) {
	case PRINT_CONFIG:
		cfg_print(&cfg, stdout);
		return EXIT_STOPPED;
	case PRINT_SAMPLE:
		cfg_print_sample(stdout);
		return EXIT_STOPPED;
	case CHECK_CONFIG:
		if (check_outside(&cfg, &err) != ST_OK)
			return fail(&err);
		puts("configuration is valid");
		return EXIT_STOPPED;
	case PRINT_BUDGET:
		return print_budget(&cfg, false);
	case PRINT_BUDGET_JSON:
		return print_budget(&cfg, true);
	default:
		return serve(&cfg);
	}
}
