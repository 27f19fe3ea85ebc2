/* facegate export and import: people on their way to another gateway, or to
 * themselves. The one reads beside a daemon; the other needs the store for
 * itself. Memory does not depend on how many people there are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "cli.h"
#include "engine_setup.h"
#include "exportfile.h"
#include "persondoc.h"
#include "personrecord.h"
#include "secret.h"
#include "store_setup.h"
#include "transform.h"
#include "transfer.h"

static enum status read_passphrase(const struct cli *cli,
				   char out[SECRET_MAX + 1],
				   struct errinfo *err)
{
	enum status st;

	if (cli->passphrase_file == NULL)
		return err_set(err, ST_BAD_CONFIG,
			       "--passphrase-file FILE is needed: its first "
			       "line seals the export");
	st = secret_read("--passphrase-file", cli->passphrase_file, out, err);
	if (st == ST_OK && strlen(out) < EXPORTFILE_SECRET_MIN)
		st = err_set(err, ST_BAD_CONFIG,
			     "--passphrase-file: a passphrase has at least %d "
			     "bytes",
			     EXPORTFILE_SECRET_MIN);
	return st;
}

/* The site's rotation of templates, if it has one: what travels is not rotated,
 * so that a gateway with another key, or none, can use it. */
static enum status load_rotation(const struct cli *cli,
				 struct srv_engine_paths *paths,
				 const struct transform **out,
				 struct errinfo *err)
{
	struct engine_options opt = { .transform = NULL };
	enum status st = srv_engine_key(&cli->cfg, paths, &opt, err);

	*out = opt.transform;
	return st;
}

/* Whether a model's name has the mark of this rotation, which is cut off. */
static bool cut_mark(char model_id[MODEL_ID_MAX], const struct transform *t)
{
	char *mark = strrchr(model_id, '~');

	if (t == NULL || mark == NULL || strcmp(mark + 1, t->id) != 0)
		return false;
	*mark = '\0';
	return true;
}

struct leaving {
	struct exportfile *file;
	const struct transform *rotation; /* NULL: none */
	struct errinfo *err;
	int64_t people, templates;
};

static enum status put(struct leaving *l, json_t *record)
{
	/* Seventeen digits bring every number back. */
	char *line = record ? json_dumps(record, JSON_COMPACT) : NULL;
	enum status st = ST_NO_MEMORY;

	if (line != NULL) {
		st = exportfile_put(l->file, line, strlen(line), l->err);
		explicit_bzero(line, strlen(line));
	} else {
		err_set(l->err, st, "no memory for a person");
	}
	free(line);
	json_decref(record);
	return st;
}

static enum status put_person(void *ctx, const struct db_person *p)
{
	struct leaving *l = ctx;
	json_t *o = persondoc_json(p);

	/* That depends on the gateway. */
	json_object_del(o, "needs_enrolment");
	l->people++;
	return put(l, o);
}

static enum status put_template(void *ctx, const struct db_template *about,
				const struct face_template *t)
{
	struct leaving *l = ctx;
	struct db_template bare = *about;
	struct face_template turned = *t;
	enum status st;

	if (cut_mark(bare.model_id, l->rotation))
		transform_template(l->rotation, true, &turned);
	l->templates++;
	st = put(l, personrecord_template(&bare, &turned));
	explicit_bzero(&turned, sizeof(turned));
	return st;
}

/* Writes the row of the audit log, once it is sure that there is what to
 * export. */
static enum status note(const struct cli *cli, const struct db_options *opt,
			struct errinfo *err)
{
	struct db_by by = { NULL, srv_wall_ms() };
	struct db_person p = { .key = 0 };
	struct db *db = NULL;
	enum status st = db_open_readonly(opt, &db, err);

	if (st == ST_OK && cli->person != NULL)
		st = db_person_get(db, cli->person, &p, err);
	db_close(db);
	return st == ST_OK ? db_audit_export(opt, &by, p.key, err) : st;
}

static enum status export_people(const struct cli *cli, const char *passphrase,
				 struct leaving *l)
{
	struct db_taker taker = { put_person, put_template, l };
	struct srv_store_paths paths;
	struct srv_engine_paths engine;
	struct db_options opt;
	struct db *db = NULL;
	enum status st = load_rotation(cli, &engine, &l->rotation, l->err);

	srv_store_options(&cli->cfg, &paths, &opt);
	if (st == ST_OK)
		st = exportfile_make(cli->args[0], passphrase, &l->file,
				     l->err);
	if (st == ST_OK)
		st = note(cli, &opt, l->err);
	if (st == ST_OK)
		st = db_open_readonly(&opt, &db, l->err);
	if (st == ST_OK)
		st = db_export(db, cli->person, &taker, l->err);
	db_close(db);
	if (st == ST_OK)
		st = exportfile_finish(l->file, l->err);
	exportfile_close(l->file);
	explicit_bzero(&engine, sizeof(engine));
	return st;
}

int cli_export(const struct cli *cli)
{
	char passphrase[SECRET_MAX + 1] = "";
	struct leaving l = { .file = NULL };
	struct errinfo err;
	enum status st = ST_OK;

	err_clear(&err);
	l.err = &err;
	if (!cli->plain)
		st = read_passphrase(cli, passphrase, &err);
	else if (cli->person == NULL || cli->passphrase_file != NULL)
		st = err_set(&err, ST_BAD_CONFIG,
			     "--plain is for one person, with --person ID and "
			     "without a passphrase");
	if (st == ST_OK)
		st = export_people(cli, cli->plain ? NULL : passphrase, &l);
	explicit_bzero(passphrase, sizeof(passphrase));
	if (st != ST_OK)
		return cli_fail(&err, NULL);
	if (cli->json)
		cli_print_json(json_pack("{s:o, s:I, s:I}", "export",
					 cli_text(cli->args[0]), "people",
					 (json_int_t)l.people, "templates",
					 (json_int_t)l.templates));
	else
		printf("exported %lld people, %lld templates\n",
		       (long long)l.people, (long long)l.templates);
	return EXIT_MATCH;
}

static enum status take_existing(const struct cli *cli, enum db_existing *out,
				 struct errinfo *err)
{
	const char *word = cli->existing ? cli->existing : "refuse";

	if (strcmp(word, "refuse") == 0)
		*out = DB_EXISTING_REFUSE;
	else if (strcmp(word, "skip") == 0)
		*out = DB_EXISTING_SKIP;
	else if (strcmp(word, "replace") == 0)
		*out = DB_EXISTING_REPLACE;
	else
		return err_set(err, ST_BAD_CONFIG,
			       "--existing: %.40s is not refuse, skip or "
			       "replace",
			       word);
	return ST_OK;
}

/* Not by db_open: a wrong data_dir must not become a new database, which root
 * would then own. */
static enum status open_store(const struct cli *cli, const char *model,
			      struct db **out, struct errinfo *err)
{
	char path[CFG_TEXT_MAX + 32];
	struct srv_store_paths paths;
	struct db_options opt;

	srv_store_options(&cli->cfg, &paths, &opt);
	opt.model_id = model;
	(void)snprintf(path, sizeof(path), "%s/facegate.db", cli->cfg.data_dir);
	if (access(path, F_OK) != 0)
		return err_set(err, ST_IO_ERROR,
			       "there is no database in data_dir; start the "
			       "daemon there once");
	return db_open(&opt, out, err);
}

/* Of any model: it may be configured here later. */
static void rotate(const struct transform *t, struct personrecord *r)
{
	char *id = r->about.model_id;
	size_t n = strlen(id);

	if (t == NULL || strchr(id, '~') != NULL ||
	    n + 1 + sizeof(t->id) > MODEL_ID_MAX)
		return;
	transform_template(t, false, &r->t);
	(void)snprintf(id + n, MODEL_ID_MAX - n, "~%s", t->id);
}

static enum status take_records(struct exportfile *f, const struct transform *t,
				struct db_import *im, struct errinfo *err)
{
	struct personrecord r = { .is_template = true };
	bool person = false;
	const char *line;
	size_t n;
	enum status st;

	while ((st = exportfile_get(f, &line, &n, err)) == ST_OK) {
		st = personrecord_read(line, n, &r, err);
		if (st == ST_OK && r.is_template && !person)
			st = err_set(err, ST_BAD_EXPORT,
				     "a template has no person before it");
		if (st != ST_OK)
			break;
		if (r.is_template) {
			rotate(t, &r);
			st = db_import_template(im, &r.about, &r.t, err);
		} else {
			st = db_import_person(im, &r.person, err);
		}
		if (st != ST_OK)
			break;
		person = true;
	}
	explicit_bzero(&r, sizeof(r));
	return st == ST_END ? ST_OK : st;
}

/* Where people come: the model that is compared with, and its rotation. */
struct gateway {
	char model[MODEL_ID_MAX];
	const struct transform *rotation; /* NULL: none */
	struct srv_engine_paths paths;	  /* has it */
};

static enum status find_gateway(const struct cli *cli, struct gateway *g,
				struct errinfo *err)
{
	struct engine *e = NULL;
	enum status st = load_rotation(cli, &g->paths, &g->rotation, err);

	if (st == ST_OK)
		st = cli_open_engine(cli, 1, &e, err);
	if (st == ST_OK)
		(void)snprintf(g->model, sizeof(g->model), "%s",
			       engine_info(e)->model_id);
	engine_close(e);
	return st;
}

static enum status import_people(const struct cli *cli, struct exportfile *f,
				 const struct gateway *g, struct db_import *im,
				 struct errinfo *err)
{
	struct db_by by = { NULL, srv_wall_ms() };
	enum db_existing existing = DB_EXISTING_REFUSE;
	struct db *db = NULL;
	enum status st = take_existing(cli, &existing, err);

	if (st == ST_OK)
		st = open_store(cli, g->model, &db, err);
	if (st == ST_OK)
		st = db_import_begin(im, db, existing, &by, err);
	if (st == ST_OK)
		st = db_import_end(im, take_records(f, g->rotation, im, err),
				   cli->cfg.gallery_max, err);
	db_close(db);
	return st;
}

static void print_import(const struct cli *cli, const struct db_import *im,
			 const char *model)
{
	if (cli->json) {
		cli_print_json(json_pack("{s:I, s:I, s:I, s:I, s:I}", "added",
					 (json_int_t)im->added, "replaced",
					 (json_int_t)im->replaced, "skipped",
					 (json_int_t)im->known, "templates",
					 (json_int_t)im->templates,
					 "templates_of_other_models",
					 (json_int_t)im->other_model));
		return;
	}
	printf("added %lld people, replaced %lld, skipped %lld; %lld "
	       "templates\n",
	       (long long)im->added, (long long)im->replaced,
	       (long long)im->known, (long long)im->templates);
	if (im->other_model > 0)
		printf("%lld of the templates are of no use to %s: enrol those "
		       "people anew\n",
		       (long long)im->other_model, model);
}

int cli_import(const struct cli *cli)
{
	char passphrase[SECRET_MAX + 1] = "";
	struct gateway g = { .rotation = NULL };
	struct exportfile *f = NULL;
	struct db_import im = { .db = NULL };
	struct errinfo err;
	enum status st;

	err_clear(&err);
	st = read_passphrase(cli, passphrase, &err);
	if (st == ST_OK)
		st = find_gateway(cli, &g, &err);
	if (st == ST_OK)
		st = exportfile_open(cli->args[0], passphrase, &f, &err);
	explicit_bzero(passphrase, sizeof(passphrase));
	if (st == ST_OK)
		st = import_people(cli, f, &g, &im, &err);
	exportfile_close(f);
	explicit_bzero(&g.paths, sizeof(g.paths));
	if (st != ST_OK)
		return cli_fail(&err, NULL);
	print_import(cli, &im, g.model);
	return EXIT_MATCH;
}
