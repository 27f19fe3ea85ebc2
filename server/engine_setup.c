#include "engine_setup.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t srv_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

int64_t srv_wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void srv_engine_options(const struct config *cfg,
			struct srv_engine_paths *paths,
			struct engine_options *opt)
{
	snprintf(paths->detector, sizeof(paths->detector), "%s/mtcnn.fgm",
		 cfg->models_dir);
	snprintf(paths->embedder, sizeof(paths->embedder), "%s/embedder-%s.fgm",
		 cfg->models_dir, cfg->embedder);
	memset(opt, 0, sizeof(*opt));
	opt->detector_path = paths->detector;
	opt->embedder_path = paths->embedder;
	opt->pool_bytes = (size_t)cfg->pool_kib * 1024;
	opt->workers = (unsigned)cfg->workers;
	opt->gallery_max = (size_t)cfg->gallery_max;
	opt->jpeg.max_width_px = (uint32_t)cfg->jpeg_max_width_px;
	opt->jpeg.max_pixels = (uint64_t)cfg->jpeg_max_megapixels * 1000000u;
	opt->jpeg.max_scans = (uint32_t)cfg->jpeg_max_scans;
	opt->jpeg.strict = cfg->jpeg_strict;
	opt->picture_planes = cfg->picture_planes;
	opt->min_face_px = (unsigned)cfg->min_face_px;
	opt->now_us = srv_now_us;
}

enum status srv_engine_key(const struct config *cfg,
			   struct srv_engine_paths *paths,
			   struct engine_options *opt, struct errinfo *err)
{
	if (cfg->template_key_file[0] == '\0')
		return ST_OK;
	opt->transform = &paths->transform;
	return templatekey_load(cfg, &paths->transform, err);
}
