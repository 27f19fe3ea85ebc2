/* facegate keys: makes, lists and revokes the daemon's API keys, in a file of
 * data_dir, and changes the key that rows are encrypted with. A daemon that
 * runs takes either change at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "db.h"
#include "engine_setup.h"
#include "keystore.h"
#include "store_setup.h"
#include "tls.h"

/* A daemon looks at its key file every second. */
#define DAEMON_TRIES 300

static enum status add_certificate(const struct cli *cli, enum role role,
				   const char *label, struct errinfo *err)
{
	uint8_t hash[KEY_HASH_BYTES];
	char id[KEY_ID_CHARS + 1];
	enum status st = tls_file_fingerprint(cli->cert, hash, err);

	if (st == ST_OK)
		st = keystore_add_certificate(
			cli->cfg.data_dir, (size_t)cli->cfg.keys_max, role,
			label, srv_wall_ms(), hash, id, err);
	if (st != ST_OK)
		return st;
	if (cli->json)
		cli_print_json(json_pack("{s:n, s:s, s:s, s:o}", "key", "id",
					 id, "role", cli->role, "label",
					 cli_text(label)));
	else
		printf("%s\n", id);
	return ST_OK;
}

static enum status add(const struct cli *cli, struct errinfo *err)
{
	const char *label = cli->label ? cli->label : "";
	char text[KEY_TEXT_CHARS + 1];
	enum role role;
	enum status st;

	if (cli->role == NULL || !keystore_role_named(cli->role, &role))
		return err_set(err, ST_BAD_CONFIG,
			       "--role must be door, kiosk, auditor or admin");
	if (cli->cert != NULL && cli->signing)
		return err_set(err, ST_BAD_CONFIG,
			       "a certificate signs nothing: --cert or "
			       "--signing");
	if (cli->cert != NULL)
		return add_certificate(cli, role, label, err);
	st = keystore_add(cli->cfg.data_dir, (size_t)cli->cfg.keys_max, role,
			  cli->signing ? KEY_SIGNING : KEY_BEARER, label,
			  srv_wall_ms(), text, err);
	if (st != ST_OK)
		return st;
	if (cli->json)
		cli_print_json(json_pack("{s:s, s:s#, s:s, s:o}", "key", text,
					 "id", text + 3, (int)KEY_ID_CHARS,
					 "role", cli->role, "label",
					 cli_text(label)));
	else
		printf("%s\n", text);
	if (!cli->json && cli_on_terminal())
		fputs("Shown this once: keep it now.\n", stderr);
	explicit_bzero(text, sizeof(text));
	return ST_OK;
}

static enum status list(const struct cli *cli, struct errinfo *err)
{
	size_t max = (size_t)cli->cfg.keys_max, count = 0;
	struct keystore_key *keys = calloc(max, sizeof(*keys));
	json_t *array;
	enum status st;

	if (keys == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for the keys");
	st = keystore_load(cli->cfg.data_dir, keys, max, &count, err);
	if (st != ST_OK)
		goto done;
	array = json_array();
	for (size_t i = 0; i < count; i++) {
		const struct keystore_key *k = &keys[i];
		char at[CLI_TIME_MAX];

		cli_time(k->created_ms, at);
		json_array_append_new(
			array,
			json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", k->id,
				  "role", keystore_role_word(k->role), "kind",
				  keystore_kind_word(k->kind), "created_at", at,
				  "label", cli_text(k->label)));
		if (!cli->json)
			printf("%s  %-7s  %-11s  %s  %s\n", k->id,
			       keystore_role_word(k->role),
			       keystore_kind_word(k->kind), at, k->label);
	}
	if (cli->json)
		cli_print_json(json_pack("{s:o}", "keys", array));
	else
		json_decref(array);
done:
	keystore_free(keys, max);
	return st;
}

/* Encrypts all rows again, when no daemon has the store. */
static enum status reseal_here(struct db *db, struct errinfo *err)
{
	enum status st;
	bool more;

	do
		st = db_reseal(db, &more, err);
	while (st == ST_OK && more);
	return st;
}

/* How far a daemon is that does it. */
static enum status reseal_there(const struct db_options *opt, int64_t *oldest,
				int64_t *newest, struct errinfo *err)
{
	struct db *db = NULL;
	enum status st = db_open_readonly(opt, &db, err);

	if (st == ST_OK)
		st = db_key_versions(db, oldest, newest, err);
	db_close(db);
	return st;
}

/* Until every row is under key `wanted`: by the daemon that has the store, or
 * here as soon as none has. */
static enum status reseal_all(const struct db_options *opt, int64_t wanted,
			      struct errinfo *err)
{
	const struct timespec tick = { 0, 200000000 };
	int64_t oldest = 0, newest = 0;
	struct errinfo why;
	struct db *db;

	for (int tries = 0;; tries++) {
		enum status st;

		err_clear(&why);
		st = db_open(opt, &db, &why);
		if (st == ST_OK)
			st = reseal_here(db, err);
		else if (st != ST_DATABASE_BUSY)
			return err_set(err, st, "%s", why.text);
		else
			st = reseal_there(opt, &oldest, &newest, err);
		db_close(db);
		if (st != ST_OK || db != NULL ||
		    (oldest == wanted && newest == wanted))
			return st;
		if (newest < wanted && tries == DAEMON_TRIES)
			return err_set(err, ST_BAD_KEY_FILE,
				       "the daemon does not take up the new "
				       "key: has it the same key_file?");
		nanosleep(&tick, NULL);
	}
}

static enum status rotate(const struct cli *cli, struct errinfo *err)
{
	struct srv_store_paths paths;
	struct db_options opt;
	int64_t newest = 0;
	enum status st;

	srv_store_options(&cli->cfg, &paths, &opt);
	st = db_key_add(&opt, &newest, err);
	if (st == ST_OK)
		st = reseal_all(&opt, newest, err);
	if (st == ST_OK)
		st = db_keys_drop(&opt, err);
	if (st != ST_OK)
		return st;
	if (cli->json)
		cli_print_json(
			json_pack("{s:I}", "version", (json_int_t)newest));
	else
		printf("all rows are encrypted with key %lld\n",
		       (long long)newest);
	return ST_OK;
}

int cli_keys(const struct cli *cli)
{
	static const char words[] =
		"keys add, keys list, keys revoke ID or keys rotate";
	const char *what = cli->args[0];
	bool revoke = strcmp(what, "revoke") == 0;
	struct errinfo err;
	enum status st;

	err_clear(&err);
	if (cli->arg_count != (revoke ? 2 : 1))
		st = err_set(&err, ST_BAD_CONFIG, "%s", words);
	else if (revoke)
		st = keystore_revoke(cli->cfg.data_dir,
				     (size_t)cli->cfg.keys_max, cli->args[1],
				     &err);
	else if (strcmp(what, "add") == 0)
		st = add(cli, &err);
	else if (strcmp(what, "list") == 0)
		st = list(cli, &err);
	else if (strcmp(what, "rotate") == 0)
		st = rotate(cli, &err);
	else
		st = err_set(&err, ST_BAD_CONFIG, "%s", words);
	return st == ST_OK ? EXIT_MATCH : cli_fail(&err, NULL);
}
