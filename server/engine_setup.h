/* From configuration to engine options: the daemon and the command line tool
 * open the very same engine. */
#ifndef FACEGATE_ENGINE_SETUP_H
#define FACEGATE_ENGINE_SETUP_H

#include "config.h"
#include "engine.h"
#include "templatekey.h"

struct srv_engine_paths {
	char detector[2 * CFG_TEXT_MAX + 32];
	char embedder[2 * CFG_TEXT_MAX + 32];
	struct transform transform;
};

/* opt points into paths, which must live as long. */
void srv_engine_options(const struct config *cfg,
			struct srv_engine_paths *paths,
			struct engine_options *opt);

/* Adds what template_key_file says, before the engine is opened. ST_BAD_CONFIG
 * when it cannot be used. */
enum status srv_engine_key(const struct config *cfg,
			   struct srv_engine_paths *paths,
			   struct engine_options *opt,
			   struct errinfo *err) MUST_CHECK;

/* Microseconds on CLOCK_MONOTONIC. */
uint64_t srv_now_us(void);
/* Unix time in milliseconds, UTC. */
int64_t srv_wall_ms(void);

#endif
