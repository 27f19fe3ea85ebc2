#include "store_setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void find_key_file(const struct config *cfg, char *out, size_t cap)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	int n;

	if (strcmp(cfg->key_file, "auto") != 0) {
		(void)snprintf(out, cap, "%s", cfg->key_file);
		return;
	}
	if (folder != NULL) {
		n = snprintf(out, cap, "%s/facegate-key", folder);
		if (n > 0 && (size_t)n < cap && access(out, F_OK) == 0)
			return;
	}
	(void)snprintf(out, cap, "%s/facegate.key", cfg->data_dir);
}

void srv_store_options(const struct config *cfg, struct srv_store_paths *paths,
		       struct db_options *opt)
{
	find_key_file(cfg, paths->key_file, sizeof(paths->key_file));
	(void)snprintf(paths->backup_file, sizeof(paths->backup_file), "%s",
		       cfg->backup_file);
	if (strcmp(cfg->backup_file, "auto") == 0)
		(void)snprintf(paths->backup_file, sizeof(paths->backup_file),
			       "%s/facegate.backup", cfg->data_dir);
	*opt = (struct db_options){
		.dir = cfg->data_dir,
		.cache_bytes = (size_t)cfg->db_cache_kib * 1024,
		.heap_bytes = SRV_DB_HEAP_BYTES,
		.log_max_rows = cfg->log_max_rows,
		.log_days = cfg->log_days,
		.audit_max_rows = cfg->audit_max_rows,
		.people_max = cfg->people_max,
		.doors_max = cfg->doors_max,
		.key_file = paths->key_file,
		.backup_file = paths->backup_file[0] ? paths->backup_file
						     : NULL,
		.backup_minutes = cfg->backup_minutes,
	};
}
