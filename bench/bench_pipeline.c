/* Times each stage of the engine on pictures, as the daemon would run them on
 * one worker with a pool of 2 MiB. FACEGATE_ISA lowers the kernel level.
 * Usage: bench_pipeline MODELS_FOLDER PICTURE...
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"

#define ROUNDS 15
#define STAGES 4

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static ssize_t read_file(void *ctx, uint8_t *buf, size_t cap)
{
	ssize_t n = read(*(int *)ctx, buf, cap);

	return n < 0 ? -(ssize_t)ST_IO_ERROR : n;
}

static enum status open_engine(const char *models, struct engine **out,
			       struct errinfo *err)
{
	char detector[512], embedder[512];
	struct engine_options opt = {
		.detector_path = detector,
		.embedder_path = embedder,
		.pool_bytes = (size_t)2 << 20,
		.workers = 1,
		.gallery_max = 1,
		.jpeg = { .max_width_px = 8192,
			  .max_pixels = 50000000,
			  .max_scans = 64 },
		.min_face_px = 20,
		.now_us = now_us,
	};

	snprintf(detector, sizeof(detector), "%s/mtcnn.fgm", models);
	snprintf(embedder, sizeof(embedder), "%s/embedder-accurate.fgm",
		 models);
	return engine_open(&opt, out, err);
}

static enum status run_once(struct engine *e, const char *path,
			    struct engine_receipt *receipt, size_t *faces,
			    struct errinfo *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct byte_source src = { read_file, &fd };
	struct face face[ENGINE_FACES_MAX];
	struct face_template template;
	struct picture_info info;
	enum status st;

	if (fd < 0)
		return err_set(err, ST_IO_ERROR, "cannot open %.100s", path);
	engine_begin(e, 0);
	st = engine_decode(e, 0, &src, &info, err);
	if (st == ST_OK)
		st = engine_detect(e, 0, face, ENGINE_FACES_MAX, faces, err);
	if (st == ST_OK && *faces > 0)
		st = engine_embed(e, 0, &face[0], &template, err);
	engine_receipt(e, 0, receipt);
	close(fd);
	return st;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static enum status bench(struct engine *e, const char *path,
			 struct errinfo *err)
{
	uint64_t us[STAGES][ROUNDS];
	struct engine_receipt r = { 0 };
	const char *name = strrchr(path, '/');
	size_t faces = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		enum status st = run_once(e, path, &r, &faces, err);

		if (st != ST_OK)
			return st;
		us[0][i] = r.decode_us;
		us[1][i] = r.detect_us;
		us[2][i] = r.align_us;
		us[3][i] = r.embed_us;
	}
	printf("%-12s %-16s %5zu", engine_info(e)->isa, name ? name + 1 : path,
	       faces);
	for (unsigned s = 0; s < STAGES; s++) {
		qsort(us[s], ROUNDS, sizeof(us[s][0]), compare);
		printf(" %8.2f", (double)us[s][ROUNDS / 2] / 1000.0);
	}
	printf(" %10zu\n", r.pool_peak_bytes);
	return ST_OK;
}

int main(int argc, char **argv)
{
	struct engine *e = NULL;
	struct errinfo err;
	enum status st;

	if (argc < 3) {
		fprintf(stderr, "usage: %s MODELS_FOLDER PICTURE...\n",
			argv[0]);
		return 2;
	}
	err_clear(&err);
	st = open_engine(argv[1], &e, &err);
	if (st == ST_OK)
		printf("median of %d, in ms\n%-12s %-16s %5s %8s %8s %8s %8s "
		       "%10s\n",
		       ROUNDS, "level", "picture", "faces", "decode", "detect",
		       "align", "embed", "pool peak");
	for (int i = 2; st == ST_OK && i < argc; i++)
		st = bench(e, argv[i], &err);
	engine_close(e);
	if (st != ST_OK)
		fprintf(stderr, "%s: %s\n", argv[0], err.text);
	return st == ST_OK ? 0 : 1;
}
