/* The engine as one contender of the benchmark: a process that does one task
 * as often as it is told, driven by lines on its standard input.
 *
 *   bench_contender embed|detect|verify THREADS MODELS_DIR EMBEDDER POOL_KIB
 *                   MIN_FACE_PX FILE...
 *   bench_contender search|read THREADS ROWS_FILE ROWS PROBES_FILE
 *
 * embed takes files of 112x112 RGB bytes, detect and verify JPEGs (the first
 * one of verify is enrolled); search takes files of int8 vectors, 128 bytes
 * each, and read is search with a plain read of the rows' bytes in its place,
 * the bound that memory sets. Speaks JSON lines: one when it is ready; for
 * "run N" the milliseconds an item takes, by the clock and of the processor,
 * over N rounds of all items in each thread; for "check" what comes out.
 * FACEGATE_ISA chooses the kernels.
 */
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "face/gallery_mem.h"
#include "nn/levels.h"

#define ITEMS_MAX   64
#define THREADS_MAX 2
#define PROBES_MAX  4096

struct bytes {
	const uint8_t *p;
	size_t n, at;
};

/* Nanoseconds, of the clock and of the thread's processor. */
struct spent {
	uint64_t wall, cpu;
};

struct task {
	/* Does item i once on a slot; the time that counts. */
	struct spent (*item)(struct task *t, unsigned slot, size_t i);
	void (*show)(struct task *t, size_t i);
	struct engine *engine;
	struct gallery *gallery;
	struct bytes items[ITEMS_MAX];
	const struct face_template *probes;
	struct bytes rows;
	size_t count; /* items */
	unsigned threads;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now_us(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000u;
}

static struct spent now(void)
{
	return (struct spent){ clock_ns(CLOCK_MONOTONIC),
			       clock_ns(CLOCK_THREAD_CPUTIME_ID) };
}

static struct spent since(struct spent start)
{
	struct spent end = now();

	return (struct spent){ end.wall - start.wall, end.cpu - start.cpu };
}

static void fail(const char *what, const struct errinfo *err)
{
	fprintf(stderr, "bench_contender: %s: %s\n", what,
		err != NULL ? err->text : "not understood");
	exit(2);
}

static struct bytes map_file(const char *path)
{
	struct bytes b = { 0 };
	struct stat s;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &s) != 0 || s.st_size == 0)
		fail(path, NULL);
	b.n = (size_t)s.st_size;
	b.p = mmap(NULL, b.n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (b.p == MAP_FAILED)
		fail(path, NULL);
	close(fd);
	return b;
}

static ssize_t read_bytes(void *ctx, uint8_t *buf, size_t cap)
{
	struct bytes *b = ctx;
	size_t n = b->n - b->at < cap ? b->n - b->at : cap;

	memcpy(buf, b->p + b->at, n);
	b->at += n;
	return (ssize_t)n;
}

static void decode(struct task *t, unsigned slot, size_t i)
{
	struct bytes b = t->items[i];
	struct byte_source src = { read_bytes, &b };
	struct picture_info info;
	struct errinfo err;

	err_clear(&err);
	engine_begin(t->engine, slot);
	if (engine_decode(t->engine, slot, &src, &info, &err) != ST_OK)
		fail("decode", &err);
}

static size_t detect(struct task *t, unsigned slot, struct face *faces)
{
	struct errinfo err;
	size_t n = 0;

	err_clear(&err);
	if (engine_detect(t->engine, slot, faces, ENGINE_FACES_MAX, &n, &err) !=
	    ST_OK)
		fail("detect", &err);
	return n;
}

static struct face_template embed(struct task *t, unsigned slot, size_t i)
{
	struct face_template out;
	struct errinfo err;

	err_clear(&err);
	if (engine_embed_crop(t->engine, slot, t->items[i].p, &out, &err) !=
	    ST_OK)
		fail("embed", &err);
	return out;
}

static struct spent embed_item(struct task *t, unsigned slot, size_t i)
{
	struct spent start = now();

	embed(t, slot, i);
	return since(start);
}

static void embed_show(struct task *t, size_t i)
{
	struct face_template e = embed(t, 0, i);

	for (int d = 0; d < TEMPLATE_DIM; d++)
		printf("%s%.6f", d ? "," : "[", (double)(e.scale * e.v[d]));
	putchar(']');
}

static struct spent detect_item(struct task *t, unsigned slot, size_t i)
{
	struct face faces[ENGINE_FACES_MAX];
	struct spent start;

	decode(t, slot, i);
	start = now();
	detect(t, slot, faces);
	return since(start);
}

static void detect_show(struct task *t, size_t i)
{
	struct face faces[ENGINE_FACES_MAX];
	size_t n;

	decode(t, 0, i);
	n = detect(t, 0, faces);
	putchar('[');
	for (size_t k = 0; k < n; k++)
		printf("%s[%.1f,%.1f,%.1f,%.1f]", k ? "," : "",
		       (double)faces[k].box[0], (double)faces[k].box[1],
		       (double)faces[k].box[2], (double)faces[k].box[3]);
	putchar(']');
}

/* JPEG bytes to template; false when no face is found. */
static bool template_of(struct task *t, unsigned slot, size_t i,
			struct face_template *out)
{
	struct face faces[ENGINE_FACES_MAX];
	struct errinfo err;

	err_clear(&err);
	decode(t, slot, i);
	return detect(t, slot, faces) > 0 &&
	       engine_embed(t->engine, slot, &faces[0], out, &err) == ST_OK;
}

static double verify(struct task *t, unsigned slot, size_t i)
{
	struct face_template probe;
	struct gallery_hit hit;

	if (!template_of(t, slot, i, &probe) ||
	    gallery_verify(t->gallery, 1, &probe, &hit) != ST_OK)
		return -1;
	return (double)hit.score;
}

static struct spent verify_item(struct task *t, unsigned slot, size_t i)
{
	struct spent start = now();

	verify(t, slot, i);
	return since(start);
}

static void verify_show(struct task *t, size_t i)
{
	double score = verify(t, 0, i);

	printf("{\"score\":%.4f,\"allow\":%s}", score,
	       score >= (double)engine_threshold(t->engine, 1e-4) ? "true"
								  : "false");
}

static struct spent search_item(struct task *t, unsigned slot, size_t i)
{
	struct spent start = now();
	struct gallery_hit hit;

	(void)slot;
	if (gallery_identify(t->gallery, &t->probes[i], &hit, 1) != 1)
		fail("search", NULL);
	return since(start);
}

static void search_show(struct task *t, size_t i)
{
	struct gallery_hit hit;

	gallery_identify(t->gallery, &t->probes[i], &hit, 1);
	printf("%lld", (long long)hit.person_key - 1);
}

typedef uint64_t wide __attribute__((vector_size(32)));

/* Reads the rows and does next to nothing with them, fetching ahead as the
 * gallery does: what the memory allows. */
static struct spent read_item(struct task *t, unsigned slot, size_t i)
{
	const wide *p = (const void *)t->rows.p;
	wide sum[4] = { 0 };
	struct spent start = now(), spent;

	(void)slot;
	(void)i;
	for (size_t at = 0; at + 4 <= t->rows.n / sizeof(*p); at += 4) {
		/* Four vectors are as long as a template. */
		k_fetch_rows_ahead((const void *)(p + at), 1);
		for (size_t k = 0; k < 4; k++)
			sum[k] += p[at + k];
	}
	spent = since(start);
	sum[0] += sum[1] + sum[2] + sum[3];
	__asm__ volatile("" : : "m"(sum));
	return spent;
}

struct job {
	struct task *t;
	unsigned slot;
	size_t rounds;
	struct spent sum;
};

static void *work(void *arg)
{
	struct job *j = arg;

	for (size_t r = 0; r < j->rounds; r++)
		for (size_t i = 0; i < j->t->count; i++) {
			struct spent one = j->t->item(j->t, j->slot, i);

			j->sum.wall += one.wall;
			j->sum.cpu += one.cpu;
		}
	return NULL;
}

/* Prints the milliseconds an item takes, all threads working: their mean time
 * divided by what they did together; and the processor's time an item. */
static void run(struct task *t, size_t rounds)
{
	struct job jobs[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	double items = (double)(rounds * t->count * t->threads) * 1e6;
	double wall = 0, cpu = 0;

	for (unsigned i = 0; i < t->threads; i++) {
		jobs[i] = (struct job){ .t = t, .slot = i, .rounds = rounds };
		if (i > 0 &&
		    pthread_create(&threads[i], NULL, work, &jobs[i]) != 0)
			fail("thread", NULL);
	}
	work(&jobs[0]);
	for (unsigned i = 1; i < t->threads; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < t->threads; i++) {
		wall += (double)jobs[i].sum.wall;
		cpu += (double)jobs[i].sum.cpu;
	}
	printf("{\"ms\":%.6f,\"cpu_ms\":%.6f}\n", wall / items / t->threads,
	       cpu / items);
}

static void open_engine(struct task *t, char **arg)
{
	char detector[512], embedder[512];
	struct engine_options o = {
		.detector_path = detector,
		.embedder_path = embedder,
		.pool_bytes = strtoul(arg[2], NULL, 10) * 1024,
		.workers = t->threads,
		.gallery_max = 1,
		.jpeg = { 8192, 50000000, 64, false },
		.min_face_px = (unsigned)strtoul(arg[3], NULL, 10),
		.now_us = now_us,
	};
	struct errinfo err;

	snprintf(detector, sizeof(detector), "%s/mtcnn.fgm", arg[0]);
	snprintf(embedder, sizeof(embedder), "%s/embedder-%s.fgm", arg[0],
		 arg[1]);
	err_clear(&err);
	if (engine_open(&o, &t->engine, &err) != ST_OK)
		fail("open", &err);
	t->gallery = engine_gallery(t->engine);
}

static void enrol_first(struct task *t)
{
	struct face_template face;
	int64_t id = 1;

	if (!template_of(t, 0, 0, &face) ||
	    gallery_put(t->gallery, 1, &id, &face, 1, 1) != ST_OK)
		fail("enrol", NULL);
}

/* A vector of a file as a template. */
static struct face_template as_template(const uint8_t *v)
{
	struct face_template t = { .length = 1 };
	double sum = 0;

	memcpy(t.v, v, TEMPLATE_DIM);
	for (int d = 0; d < TEMPLATE_DIM; d++)
		sum += t.v[d] * t.v[d];
	t.scale = (float)(1 / sqrt(sum));
	return t;
}

static void open_search(struct task *t, char **arg)
{
	static struct face_template probes[PROBES_MAX];
	struct bytes rows = map_file(arg[0]), probe = map_file(arg[2]);
	size_t n = strtoul(arg[1], NULL, 10);
	void *memory = aligned_alloc(64, gallery_bytes(n));
	const struct k_table *k = k_select(getenv("FACEGATE_ISA"));

	if (memory == NULL || k == NULL || rows.n < n * TEMPLATE_DIM)
		fail("search", NULL);
	t->gallery = gallery_open(memory, n, k);
	for (size_t i = 0; i < n; i++) {
		struct face_template row = as_template(rows.p +
						       i * TEMPLATE_DIM);
		int64_t id = (int64_t)i + 1;

		if (gallery_put(t->gallery, id, &id, &row, 1, 0) != ST_OK)
			fail("gallery", NULL);
	}
	/* A gallery's rows and what little is before them. */
	t->rows.p = memory;
	t->rows.n = n * TEMPLATE_DIM;
	munmap((void *)(uintptr_t)rows.p, rows.n);
	t->count = probe.n / TEMPLATE_DIM;
	if (t->count > PROBES_MAX)
		t->count = PROBES_MAX;
	for (size_t i = 0; i < t->count; i++)
		probes[i] = as_template(probe.p + i * TEMPLATE_DIM);
	t->probes = probes;
}

static void serve(struct task *t)
{
	char line[64];

	printf("{\"ready\":true,\"isa\":\"%s\"}\n",
	       t->engine != NULL ? engine_info(t->engine)->isa
				 : k_select(getenv("FACEGATE_ISA"))->name);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (strncmp(line, "run ", 4) == 0) {
			run(t, strtoul(line + 4, NULL, 10));
		} else {
			printf("{\"out\":");
			for (size_t i = 0; i < t->count; i++) {
				putchar(i ? ',' : '[');
				t->show(t, i);
			}
			puts("]}");
		}
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	static struct task t;
	static const struct {
		const char *name;
		struct spent (*item)(struct task *, unsigned, size_t);
		void (*show)(struct task *, size_t);
	} tasks[] = { { "embed", embed_item, embed_show },
		      { "detect", detect_item, detect_show },
		      { "verify", verify_item, verify_show },
		      { "search", search_item, search_show },
		      { "read", read_item, search_show } };

	for (size_t i = 0; argc > 5 && i < sizeof(tasks) / sizeof(*tasks); i++)
		if (strcmp(argv[1], tasks[i].name) == 0) {
			t.item = tasks[i].item;
			t.show = tasks[i].show;
		}
	if (t.item == NULL)
		fail("usage", NULL);
	t.threads = (unsigned)strtoul(argv[2], NULL, 10);
	if (t.threads < 1 || t.threads > THREADS_MAX)
		fail("THREADS", NULL);
	if (t.item == search_item || t.item == read_item) {
		open_search(&t, argv + 3);
	} else {
		open_engine(&t, argv + 3);
		for (int i = 7; i < argc && t.count < ITEMS_MAX; i++)
			t.items[t.count++] = map_file(argv[i]);
		if (t.item == verify_item)
			enrol_first(&t);
	}
	serve(&t);
	return 0;
}
