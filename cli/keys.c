/* facegate keys: makes, lists and revokes the daemon's API keys. Works on the
 * file in data_dir; a daemon that runs takes the change at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "engine_setup.h"
#include "keystore.h"

static enum status add(const struct cli *cli, struct errinfo *err)
{
	const char *label = cli->label ? cli->label : "";
	char text[KEY_TEXT_CHARS + 1];
	enum role role;
	enum status st;

	if (cli->role == NULL || !keystore_role_named(cli->role, &role))
		return err_set(err, ST_BAD_CONFIG,
			       "--role must be door, kiosk, auditor or admin");
	st = keystore_add(cli->cfg.data_dir, (size_t)cli->cfg.keys_max, role,
			  label, srv_wall_ms(), text, err);
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
			json_pack("{s:s, s:s, s:s, s:o}", "id", k->id, "role",
				  keystore_role_word(k->role), "created_at", at,
				  "label", cli_text(k->label)));
		if (!cli->json)
			printf("%s  %-7s  %s  %s\n", k->id,
			       keystore_role_word(k->role), at, k->label);
	}
	if (cli->json)
		cli_print_json(json_pack("{s:o}", "keys", array));
	else
		json_decref(array);
done:
	free(keys);
	return st;
}

int cli_keys(const struct cli *cli)
{
	const char *what = cli->args[0];
	bool revoke = strcmp(what, "revoke") == 0;
	struct errinfo err;
	enum status st;

	err_clear(&err);
	if (cli->arg_count != (revoke ? 2 : 1))
		st = err_set(&err, ST_BAD_CONFIG,
			     "keys add, keys list or keys revoke ID");
	else if (revoke)
		st = keystore_revoke(cli->cfg.data_dir,
				     (size_t)cli->cfg.keys_max, cli->args[1],
				     &err);
	else if (strcmp(what, "add") == 0)
		st = add(cli, &err);
	else if (strcmp(what, "list") == 0)
		st = list(cli, &err);
	else
		st = err_set(&err, ST_BAD_CONFIG,
			     "keys add, keys list or keys revoke ID");
	return st == ST_OK ? EXIT_MATCH : cli_fail(&err, NULL);
}
