/* facegate backup and restore: of the database, and of nothing else in
 * data_dir. */
#include <stdio.h>

#include "audit.h"
#include "cli.h"
#include "engine_setup.h"
#include "store_setup.h"

int cli_backup(const struct cli *cli)
{
	struct srv_store_paths paths;
	struct db_options opt;
	struct errinfo err;

	err_clear(&err);
	srv_store_options(&cli->cfg, &paths, &opt);
	if (db_backup(&opt, cli->args[0], &err) != ST_OK)
		return cli_fail(&err, NULL);
	if (cli->json)
		cli_print_json(
			json_pack("{s:o}", "backup", cli_text(cli->args[0])));
	return EXIT_MATCH;
}

/* What stands in the audit log by now is the backup's; this is its next row. */
static enum status note_restore(const struct db_options *opt, const char *kept,
				struct errinfo *err)
{
	struct db_by by = { NULL, srv_wall_ms() };
	struct db *db = NULL;
	enum status st = db_open(opt, &db, err);

	if (st == ST_OK)
		st = db_audit_note(db, &by, "restore", kept, err);
	db_close(db);
	return st;
}

int cli_restore(const struct cli *cli)
{
	struct srv_store_paths paths;
	struct db_options opt;
	char kept[DB_KEPT_MAX];
	struct errinfo err;

	err_clear(&err);
	srv_store_options(&cli->cfg, &paths, &opt);
	if (db_restore(&opt, cli->args[0], kept, &err) != ST_OK ||
	    note_restore(&opt, kept, &err) != ST_OK)
		return cli_fail(&err, NULL);
	if (cli->json)
		cli_print_json(
			json_pack("{s:o}", "kept",
				  kept[0] ? json_string(kept) : json_null()));
	else if (kept[0])
		printf("the database that was there is kept as %s\n", kept);
	return EXIT_MATCH;
}
