/* From configuration to engine options: the daemon and the command line tool
 * open the very same engine. */
#ifndef FACEGATE_ENGINE_SETUP_H
#define FACEGATE_ENGINE_SETUP_H

#include "config.h"
#include "engine.h"

struct srv_engine_paths {
	char detector[2 * CFG_TEXT_MAX + 32];
	char embedder[2 * CFG_TEXT_MAX + 32];
};

/* opt points into paths, which must live as long. */
void srv_engine_options(const struct config *cfg,
			struct srv_engine_paths *paths,
			struct engine_options *opt);

/* Microseconds on CLOCK_MONOTONIC. */
uint64_t srv_now_us(void);
/* Unix time in milliseconds, UTC. */
int64_t srv_wall_ms(void);

#endif
