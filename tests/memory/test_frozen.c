/* After engine_open nothing may be allocated: not by the engine, not by
 * libjpeg under it. This program's own malloc aborts once it is frozen, and it
 * runs 10,000 requests, good and bad, whose memory peaks must never change.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"

#define REQUESTS 10000
#define PICTURES 9

static int frozen;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

static void refuse(const char *who)
{
	if (!frozen)
		return;
	if (write(STDERR_FILENO, who, strlen(who)) < 0)
		_exit(2);
	abort();
}

void *malloc(size_t n)
{
	refuse("malloc after the freeze\n");
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	refuse("calloc after the freeze\n");
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	refuse("realloc after the freeze\n");
	return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	refuse("aligned_alloc after the freeze\n");
	return __libc_memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
	refuse("posix_memalign after the freeze\n");
	*out = __libc_memalign(align, n);
	return *out ? 0 : 12;
}

void free(void *p)
{
	refuse("free after the freeze\n");
	__libc_free(p);
}

static uint64_t no_clock(void)
{
	return 0;
}

struct memory {
	const uint8_t *p;
	size_t n, at;
};

static ssize_t read_memory(void *ctx, uint8_t *buf, size_t cap)
{
	struct memory *m = ctx;
	size_t n = m->n - m->at < cap ? m->n - m->at : cap;

	memcpy(buf, m->p + m->at, n);
	m->at += n;
	return (ssize_t)n;
}

static struct {
	uint8_t *p;
	size_t n;
} pictures[PICTURES];
static size_t count;

static void add(const char *name)
{
	char path[512];
	FILE *f;
	long n;

	snprintf(path, sizeof(path), "%s/tests/%s", FACEGATE_SOURCE_DIR, name);
	f = fopen(path, "rb");
	ck_assert_msg(f != NULL, "%s is missing", path);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	pictures[count].p = malloc((size_t)n);
	pictures[count].n = fread(pictures[count].p, 1, (size_t)n, f);
	fclose(f);
	ck_assert_uint_eq(pictures[count].n, (size_t)n);
	count++;
}

static void add_damaged(size_t of, size_t keep, int garbage)
{
	pictures[count].p = malloc(pictures[of].n);
	pictures[count].n = keep;
	memcpy(pictures[count].p, pictures[of].p, pictures[of].n);
	for (size_t i = 700; garbage && i < keep; i += 311)
		pictures[count].p[i] ^= 0x5a;
	count++;
}

/* One request; returns the peak and whether a template came out. No checks in
 * here: libcheck allocates for each. */
static size_t request(struct engine *e, size_t i, bool largest,
		      struct face_template *t, int *embedded)
{
	enum status (*detect)(struct engine *, unsigned, struct face *, size_t,
			      size_t *, struct errinfo *) =
		largest ? engine_detect_largest : engine_detect;
	struct memory m = { pictures[i].p, pictures[i].n, 0 };
	struct byte_source src = { read_memory, &m };
	struct gallery *g = engine_gallery(e);
	struct face faces[4];
	struct picture_info info;
	struct engine_receipt r;
	struct errinfo err;
	struct gallery_hit hit;
	size_t n = 0;
	int64_t id = 1;

	err_clear(&err);
	*embedded = 0;
	engine_begin(e, 0);
	if (engine_decode(e, 0, &src, &info, &err) == ST_OK &&
	    detect(e, 0, faces, 4, &n, &err) == ST_OK && n > 0 &&
	    engine_embed(e, 0, &faces[0], t, &err) == ST_OK)
		*embedded = gallery_put(g, 1, &id, t, 1, 1) == ST_OK &&
			    gallery_identify(g, t, &hit, 1) == 1;
	engine_receipt(e, 0, &r);
	return r.pool_peak_bytes;
}

START_TEST(ten_thousand_requests_allocate_nothing_and_never_grow)
{
	struct engine_options o = {
		.pool_bytes = 1u << 20,
		.workers = 1,
		.gallery_max = 100,
		.jpeg = { 8192, 50000000, 64, false },
		.picture_planes = true,
		.min_face_px = 120, /* quick: the point is memory */
		.now_us = no_clock,
	};
	char detector[512], embedder[512];
	size_t peaks[PICTURES] = { 0 };
	int found[PICTURES] = { 0 };
	struct face_template first[PICTURES], t;
	struct engine *e;
	struct errinfo err;

	snprintf(detector, sizeof(detector), "%s/models/mtcnn.fgm",
		 FACEGATE_SOURCE_DIR);
	snprintf(embedder, sizeof(embedder), "%s/models/embedder-accurate.fgm",
		 FACEGATE_SOURCE_DIR);
	o.detector_path = detector;
	o.embedder_path = embedder;
	add("golden/obama.jpg");
	add("golden/biden2.jpg");
	add("data/faces/obama-720p.jpg");
	add_damaged(0, pictures[0].n / 2, 0);
	add_damaged(1, pictures[1].n, 1);
	add_damaged(1, 3, 0);
	add("data/jpeg/progressive-turned.jpg");
	add("data/jpeg/cmyk.jpg");
	add("data/jpeg/grey.jpg");
	err_clear(&err);
	ck_assert_msg(engine_open(&o, &e, &err) == ST_OK, "%s", err.text);
	/* On ARM libjpeg looks at /proc/cpuinfo, once in each thread. */
	request(e, 0, false, &t, &(int){ 0 });
	frozen = 1;
	for (size_t i = 0; i < REQUESTS; i++) {
		/* The large one costs most; now and then is enough. */
		size_t k = i % 50 == 2 ? 2 : i % (count - 1);
		size_t peak;
		int embedded;

		k = k == 2 && i % 50 != 2 ? count - 1 : k;
		peak = request(e, k, i / 100 % 2 == 1, &t, &embedded);
		if (peaks[k] == 0) {
			peaks[k] = peak;
			found[k] = embedded;
			first[k] = t;
		}
		if (peak != peaks[k] || embedded != found[k] ||
		    (embedded && memcmp(&t, &first[k], sizeof(t)) != 0)) {
			frozen = 0;
			ck_abort_msg("request %zu of picture %zu differs", i,
				     k);
		}
	}
	frozen = 0;
	for (size_t k = 0; k < count; k++) {
		ck_assert_uint_gt(peaks[k], 0);
		ck_assert_uint_le(peaks[k], o.pool_bytes);
	}
	for (size_t k = 6; k < count; k++)
		ck_assert_uint_gt(peaks[k], 320 * 240 * 3); /* decoded */
	ck_assert_int_eq(found[0] + found[1] + found[2], 3);
	ck_assert_int_eq(found[3] + found[5], 0);
	engine_close(e);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("frozen");
	TCase *t = tcase_create("frozen");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 600);
	tcase_add_test(t,
		       ten_thousand_requests_allocate_nothing_and_never_grow);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
