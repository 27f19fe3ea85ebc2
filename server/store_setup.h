/* From configuration to the store's options: the daemon and the command line
 * tool open the very same store. */
#ifndef FACEGATE_STORE_SETUP_H
#define FACEGATE_STORE_SETUP_H

#include "config.h"
#include "db.h"

#define SRV_DB_HEAP_BYTES (4 * 1024 * 1024)

struct srv_store_paths {
	char key_file[CFG_TEXT_MAX + 32];
	char backup_file[CFG_TEXT_MAX + 32];
};

/* opt points into cfg and paths, which must live as long. The key file is
 * key_file or, while that is "auto", the credential facegate-key that systemd
 * hands over, and without one facegate.key in data_dir. The backup is
 * backup_file or, while that is "auto", facegate.backup in data_dir. */
void srv_store_options(const struct config *cfg, struct srv_store_paths *paths,
		       struct db_options *opt);

#endif
