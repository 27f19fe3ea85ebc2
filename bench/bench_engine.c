/* Times the engine at every kernel level of this machine, level after level in
 * turn (A B A B), so that a noisy machine disturbs all alike. Prints medians of
 * the processor time of one thread and the ratio to scalar. "largest" is what
 * takes the place of "detect" with early_exit.
 *
 * usage: bench_engine MODELS_DIR PICTURE.jpg [ROUNDS [EMBEDDER [MIN_FACE_PX]]]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "nn/kernels.h"

#define ROUNDS_MAX 1000

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static ssize_t read_fd(void *ctx, uint8_t *buf, size_t cap)
{
	return read(*(int *)ctx, buf, cap);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double median_ms(uint64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return (double)v[n / 2] / 1e3;
}

static void fail(const struct errinfo *err)
{
	fprintf(stderr, "bench_engine: %s (%s)\n", err->text,
		status_code(err->status));
	exit(2);
}

static struct engine *open_at(const char *level, const char *dir,
			      const char *name, const char *min_face_px)
{
	char detector[512], embedder[512];
	struct engine_options o = {
		.detector_path = detector,
		.embedder_path = embedder,
		.pool_bytes = 2u << 20,
		.workers = 1,
		.gallery_max = 1,
		.jpeg = { 8192, 50000000, 64, false },
		.min_face_px = (unsigned)strtoul(min_face_px, NULL, 10),
		.now_us = now_us,
	};
	struct engine *e;
	struct errinfo err;

	snprintf(detector, sizeof(detector), "%s/mtcnn.fgm", dir);
	snprintf(embedder, sizeof(embedder), "%s/embedder-%s.fgm", dir, name);
	setenv("FACEGATE_ISA", level, 1);
	err_clear(&err);
	if (engine_open(&o, &e, &err) != ST_OK)
		fail(&err);
	return e;
}

enum stage { DECODE, DETECT, LARGEST, ALIGN, EMBED, STAGES };

/* Once; the microseconds of each stage. */
static void run(struct engine *e, const char *picture, uint64_t us[STAGES])
{
	struct engine_receipt first, cost;
	struct face faces[4];
	struct face_template t;
	struct picture_info info;
	struct errinfo err;
	size_t n = 0;
	int fd = open(picture, O_RDONLY | O_CLOEXEC);
	struct byte_source src = { read_fd, &fd };

	err_clear(&err);
	engine_begin(e, 0);
	if (engine_decode(e, 0, &src, &info, &err) != ST_OK ||
	    engine_detect(e, 0, faces, 4, &n, &err) != ST_OK || n == 0)
		fail(&err);
	engine_receipt(e, 0, &first);
	if (engine_detect_largest(e, 0, faces, 4, &n, &err) != ST_OK ||
	    n == 0 || engine_embed(e, 0, &faces[0], &t, &err) != ST_OK)
		fail(&err);
	close(fd);
	engine_receipt(e, 0, &cost);
	us[DECODE] = cost.decode_us;
	us[DETECT] = first.detect_us;
	us[LARGEST] = cost.detect_us - first.detect_us;
	us[ALIGN] = cost.align_us;
	us[EMBED] = cost.embed_us;
}

int main(int argc, char **argv)
{
	static uint64_t v[K_LEVELS_MAX][STAGES][ROUNDS_MAX];
	static const char *const stages[STAGES] = { "decode", "detect",
						    "largest", "align",
						    "embed" };
	const struct k_table *levels[K_LEVELS_MAX];
	struct engine *engines[K_LEVELS_MAX];
	size_t n = k_available(levels), rounds = 30;

	if (argc < 3) {
		fprintf(stderr, "usage: bench_engine MODELS_DIR PICTURE "
				"[ROUNDS [EMBEDDER [MIN_FACE_PX]]]\n");
		return 2;
	}
	if (argc > 3)
		rounds = strtoul(argv[3], NULL, 10);
	if (rounds < 1 || rounds > ROUNDS_MAX)
		rounds = 30;
	for (size_t i = 0; i < n; i++)
		engines[i] = open_at(levels[i]->name, argv[1],
				     argc > 4 ? argv[4] : "accurate",
				     argc > 5 ? argv[5] : "20");
	for (size_t r = 0; r < rounds; r++)
		for (size_t i = 0; i < n; i++) {
			uint64_t us[STAGES];

			run(engines[i], argv[2], us);
			for (size_t s = 0; s < STAGES; s++)
				v[i][s][r] = us[s];
		}
	printf("%s, %zu rounds, medians in ms (times faster than scalar)\n",
	       argv[2], rounds);
	printf("%-8s", "");
	for (size_t i = 0; i < n; i++)
		printf("%20s", levels[i]->name);
	putchar('\n');
	for (size_t s = 0; s < STAGES; s++) {
		double base = 0;

		printf("%-8s", stages[s]);
		for (size_t i = 0; i < n; i++) {
			double ms = median_ms(v[i][s], rounds);

			base = i == 0 ? ms : base;
			printf("%12.2f (%4.1fx)", ms, base / ms);
		}
		putchar('\n');
	}
	for (size_t i = 0; i < n; i++)
		engine_close(engines[i]);
	return 0;
}
