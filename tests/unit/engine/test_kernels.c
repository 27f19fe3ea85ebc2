/* Every kernel level against the scalar one, on random shapes, with operands
 * that end at an unreadable page. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nn/kernels.h"

#define ROUNDS 400

static uint32_t state;

static uint32_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static size_t between(size_t lo, size_t hi)
{
	return lo + rnd() % (hi - lo + 1);
}

/* Memory whose last byte is followed by an unreadable page. */
struct guarded {
	uint8_t *map;
	size_t map_bytes;
	uint8_t *p;
	size_t bytes;
};

static struct guarded guard(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t whole = (bytes + page - 1) / page * page;
	struct guarded g = { .map_bytes = whole + page, .bytes = bytes };

	g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(g.map, MAP_FAILED);
	ck_assert_int_eq(mprotect(g.map + whole, page, PROT_NONE), 0);
	g.p = g.map + whole - bytes;
	for (size_t i = 0; i < bytes; i++)
		g.p[i] = (uint8_t)rnd();
	return g;
}

static void drop(struct guarded g)
{
	munmap(g.map, g.map_bytes);
}

/* Weights as the loader lets them through: none is -128. */
static void no_lowest(struct guarded w)
{
	for (size_t i = 0; i < w.bytes; i++)
		if ((int8_t)w.p[i] == -128)
			w.p[i] = 0x81;
}

static size_t round16(size_t n)
{
	return (n + 15) / 16 * 16;
}

/* Channel arrays as in a model file. Scales are mostly sane; some are as large
 * as the loader lets through, so that sums leave the range of an integer. */
struct channels {
	struct guarded bias, scale, slope;
	struct k_requant rq;
};

static void make_channels(struct channels *c, size_t n, enum fgm_type out)
{
	size_t padded = round16(n);
	uint32_t huge = rnd() % 8 == 0 ? 0x4970 - 0x3d00 : 0;
	int32_t lowest = out == FGM_S8 ? -128 : -32768;
	size_t top = out == FGM_S8 ? 127 : 32767;

	c->bias = guard(padded * 4);
	c->scale = guard(padded * 2);
	c->slope = guard(padded * 2);
	memset(&c->rq, 0, sizeof(c->rq));
	for (size_t i = 0; i < padded; i++) {
		int32_t b = (int32_t)(rnd() % 20000) - 10000;
		uint16_t s = (uint16_t)(0x3a00 + rnd() % (0x300 + huge));

		memcpy(c->bias.p + 4 * i, &b, 4);
		memcpy(c->scale.p + 2 * i, &s, 2);
	}
	c->rq.bias = (const void *)c->bias.p;
	c->rq.scale = (const void *)c->scale.p;
	if (rnd() % 2)
		c->rq.slope = (const void *)c->slope.p;
	c->rq.slope_unit = 1.0f / 32767.0f;
	c->rq.out_type = out;
	if (out != FGM_F32) {
		c->rq.out_zero = lowest + (int)between(0, 2 * top + 1);
		c->rq.out_max = (int)between(0, top);
		c->rq.out_min = rnd() % 2 ? lowest : -(int)between(0, top);
	}
	c->rq.res_zero = (int)(rnd() % 20) - 10;
	c->rq.res_scale = 0.37f;
}

static void drop_channels(struct channels *c)
{
	drop(c->bias);
	drop(c->scale);
	drop(c->slope);
}

static const size_t type_bytes[] = { 0, 1, 2, 4 };

static void compare_gemm(const struct k_table *level, enum fgm_type in,
			 enum fgm_type out)
{
	struct k_gemm g = { .pixels = between(1, 20),
			    .groups = between(1, rnd() % 8   ? 40
						 : rnd() % 8 ? 300
							     : 1200),
			    .channels = between(1, 70) };
	size_t e = type_bytes[out], planes, bytes;
	struct guarded a, w, got, want, res;
	struct channels c;
	int in_place;

	g.wide = in == FGM_S16 && rnd() % 2;
	planes = g.wide ? 2 : 1;
	g.in_step = 4 * g.groups + between(0, 3);
	g.out_step = g.channels + between(0, 5);
	g.residual_step = g.channels + between(0, 2);
	make_channels(&c, g.channels, out);
	a = guard((g.in_step * (g.pixels - 1) + 4 * g.groups) * type_bytes[in]);
	w = guard(round16(g.channels) * g.groups * 4 * planes);
	bytes = (g.out_step * (g.pixels - 1) + g.channels) * e;
	got = guard(bytes);
	want = guard(bytes);
	memcpy(got.p, want.p, bytes);
	res = guard((g.residual_step * (g.pixels - 1) + g.channels) * e);
	no_lowest(w);
	if (in == FGM_S16) /* the loader's bound on sums */
		for (size_t i = 0; i < round16(g.channels) * g.groups * 4; i++)
			w.p[i] = (uint8_t)(int8_t)((int8_t)w.p[i] / 2);
	else if (rnd() % 8 == 0) { /* the largest sum of two products */
		memset(a.p, 0x80, a.bytes);
		memset(w.p, 0x81, w.bytes);
	}
	g.in = a.p;
	g.weights = (const int8_t *)w.p;
	g.residual = out != FGM_F32 && rnd() % 2 ? res.p : NULL;
	g.rq = &c.rq;
	in_place = g.residual != NULL && rnd() % 2;
	if (in_place)
		g.residual_step = g.out_step;
	g.out = want.p;
	if (in_place)
		g.residual = g.out;
	(in == FGM_S8 ? k_table_scalar.gemm_s8 : k_table_scalar.gemm_s16)(&g);
	g.out = got.p;
	if (in_place)
		g.residual = g.out;
	(in == FGM_S8 ? level->gemm_s8 : level->gemm_s16)(&g);
	ck_assert_msg(memcmp(got.p, want.p, bytes) == 0,
		      "%s gemm in %d out %d: %zu pixels %zu groups %zu "
		      "channels wide %d",
		      level->name, in, out, g.pixels, g.groups, g.channels,
		      g.wide);
	drop(a);
	drop(w);
	drop(got);
	drop(want);
	drop(res);
	drop_channels(&c);
}

/* Random floats between -unit and unit, zeros of both signs among them. */
static void make_floats(struct guarded g, size_t n, float unit)
{
	for (size_t i = 0; i < n; i++) {
		float v = ((float)(rnd() % 20001) / 10000.0f - 1.0f) * unit;

		if (rnd() % 16 == 0)
			v *= 0.0f;
		memcpy(g.p + 4 * i, &v, 4);
	}
}

static void compare_f32(const struct k_table *level)
{
	struct k_gemm_f32 g = { .pixels = between(1, 20),
				.k = 4 * between(1, 40),
				.channels = between(1, 70) };
	size_t padded = round16(g.channels), n, taps = between(1, 9);
	struct guarded a, w, bias, slope, got, want, in[9];
	const float *at[9];
	/* Now and then so small that products are below the normal floats. */
	float unit = rnd() % 4 ? 1.0f : 0x1p-70f;

	g.in_step = g.k + between(0, 3);
	g.out_step = g.channels + between(0, 5);
	n = g.in_step * (g.pixels - 1) + g.k;
	a = guard(n * 4);
	make_floats(a, n, unit);
	w = guard(padded * g.k * 4);
	make_floats(w, padded * g.k, unit);
	bias = guard(padded * 4);
	make_floats(bias, padded, unit * unit);
	slope = guard(padded * 4);
	make_floats(slope, padded, 1.0f);
	n = g.out_step * (g.pixels - 1) + g.channels;
	got = guard(n * 4);
	want = guard(n * 4);
	memcpy(got.p, want.p, n * 4);
	g.in = (const void *)a.p;
	g.weights = (const void *)w.p;
	g.bias = (const void *)bias.p;
	g.slope = rnd() % 2 ? (const void *)slope.p : NULL;
	g.out = (void *)want.p;
	k_table_scalar.gemm_f32(&g);
	g.out = (void *)got.p;
	level->gemm_f32(&g);
	ck_assert_msg(memcmp(got.p, want.p, n * 4) == 0,
		      "%s f32: %zu pixels %zu products %zu channels",
		      level->name, g.pixels, g.k, g.channels);
	for (size_t t = 0; t < taps; t++) {
		in[t] = guard(g.channels * 4);
		make_floats(in[t], g.channels, unit * unit);
		at[t] = (const void *)in[t].p;
	}
	k_table_scalar.maxpool_f32(at, taps, g.channels, (void *)want.p);
	level->maxpool_f32(at, taps, g.channels, (void *)got.p);
	ck_assert_mem_eq(got.p, want.p, g.channels * 4);
	for (size_t t = 0; t < taps; t++)
		drop(in[t]);
	drop(a);
	drop(w);
	drop(bias);
	drop(slope);
	drop(got);
	drop(want);
}

#define SIDE_MAX 8

static void compare_depthwise(const struct k_table *level)
{
	struct k_depthwise d = { .kernel_h = between(1, SIDE_MAX),
				 .kernel_w = between(1, SIDE_MAX),
				 .out_pixels = between(1, 12),
				 .channels = between(1, 70) };
	struct guarded rows[SIDE_MAX], w, got, want;
	const int8_t *at[SIDE_MAX];
	size_t stride = between(1, 2), taps, bytes;
	struct channels c;

	if (rnd() % 2) /* the window that all nets are made of */
		d.kernel_h = d.kernel_w = 3;
	d.pixel_step = d.channels + between(0, 2);
	d.in_step = stride * d.pixel_step;
	d.out_step = d.channels + between(0, 2);
	make_channels(&c, d.channels, FGM_S8);
	d.weight_step = round16(d.channels);
	taps = d.kernel_h * d.kernel_w;
	w = guard(d.weight_step * taps);
	no_lowest(w);
	bytes = (d.out_pixels - 1) * d.in_step +
		(d.kernel_w - 1) * d.pixel_step + d.channels;
	for (size_t ky = 0; ky < d.kernel_h; ky++) {
		rows[ky] = guard(bytes);
		at[ky] = (const int8_t *)rows[ky].p;
	}
	bytes = (d.out_pixels - 1) * d.out_step + d.channels;
	got = guard(bytes);
	want = guard(bytes);
	memcpy(got.p, want.p, bytes);
	d.rows = at;
	d.weights = (const int8_t *)w.p;
	d.rq = &c.rq;
	d.out = (int8_t *)want.p;
	k_table_scalar.depthwise_s8(&d);
	d.out = (int8_t *)got.p;
	level->depthwise_s8(&d);
	ck_assert_msg(memcmp(got.p, want.p, bytes) == 0,
		      "%s depthwise: %zux%zu window %zu pixels %zu channels",
		      level->name, d.kernel_h, d.kernel_w, d.out_pixels,
		      d.channels);
	for (size_t ky = 0; ky < d.kernel_h; ky++)
		drop(rows[ky]);
	drop(w);
	drop(got);
	drop(want);
	drop_channels(&c);
}

static void compare_small(const struct k_table *level)
{
	size_t n = between(1, 90), taps = between(1, 9);
	struct guarded in[9], got = guard(n * 4), want = guard(n * 4);
	const int16_t *at[9];

	for (size_t t = 0; t < taps; t++) {
		in[t] = guard(n * 2);
		at[t] = (const int16_t *)(const void *)in[t].p;
	}
	k_table_scalar.maxpool_s16(at, taps, n, (int16_t *)(void *)want.p);
	level->maxpool_s16(at, taps, n, (int16_t *)(void *)got.p);
	ck_assert_mem_eq(got.p, want.p, n * 2);
	for (size_t t = 0; t < taps; t++)
		drop(in[t]);
	drop(got);
	drop(want);
}

/* Of bytes that are all 255, more rows than sums of 16 bits hold. */
static void compare_add_rows(const struct k_table *level)
{
	size_t n = between(1, 90), step = n + between(0, 20);
	size_t count = between(0, 20) == 0 ? between(200, 600) : between(0, 9);
	size_t bytes = count == 0 ? 0 : (count - 1) * step + n;
	struct guarded rows = guard(bytes);
	struct guarded got = guard(n * 4), want = guard(n * 4);

	if (count > 9)
		memset(rows.p, 255, bytes);
	memcpy(got.p, want.p, n * 4);
	k_table_scalar.add_rows_u8((uint32_t *)(void *)want.p, rows.p, step,
				   count, n);
	level->add_rows_u8((uint32_t *)(void *)got.p, rows.p, step, count, n);
	ck_assert_msg(memcmp(got.p, want.p, n * 4) == 0,
		      "%s add_rows: %zu rows of %zu", level->name, count, n);
	drop(rows);
	drop(got);
	drop(want);
}

static void compare_dot_rows(const struct k_table *level)
{
	size_t n = between(1, 20);
	struct guarded rows = guard(n * TEMPLATE_DIM);
	struct guarded probe = guard(TEMPLATE_DIM);
	struct guarded got = guard(n * 4), want = guard(n * 4);
	const int8_t(*r)[TEMPLATE_DIM] = (const void *)rows.p;
	const int8_t *p = (const void *)probe.p;

	if (rnd() % 8 == 0) { /* the largest sum there is */
		memset(rows.p, 0x80, n * TEMPLATE_DIM);
		memset(probe.p, 0x80, TEMPLATE_DIM);
	}
	k_table_scalar.dot_rows_s8(r, p, n, (void *)want.p);
	level->dot_rows_s8(r, p, n, (void *)got.p);
	ck_assert_msg(memcmp(got.p, want.p, n * 4) == 0,
		      "%s dot_rows: %zu rows", level->name, n);
	drop(rows);
	drop(probe);
	drop(got);
	drop(want);
}

START_TEST(every_level_equals_scalar_bit_for_bit)
{
	const struct k_table *levels[K_LEVELS_MAX];
	size_t n = k_available(levels);
	const char *seed = getenv("SEED");

	state = seed ? (uint32_t)strtoul(seed, NULL, 0) | 1u : 0x2545f491u;
	printf("kernel levels:");
	for (size_t i = 0; i < n; i++)
		printf(" %s", levels[i]->name);
	printf(", SEED=%u\n", state);
	ck_assert_str_eq(levels[0]->name, "scalar");
	/* Level 0 against itself: the guard pages then check the reference. */
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < ROUNDS; k++) {
			compare_gemm(levels[i], FGM_S8, FGM_S8);
			compare_gemm(levels[i], FGM_S8, FGM_F32);
			compare_gemm(levels[i], FGM_S16, FGM_S16);
			compare_gemm(levels[i], FGM_S16, FGM_F32);
			compare_f32(levels[i]);
			compare_depthwise(levels[i]);
			compare_small(levels[i]);
			compare_add_rows(levels[i]);
			compare_dot_rows(levels[i]);
		}
}
END_TEST

START_TEST(a_level_can_be_named_and_an_unknown_one_is_refused)
{
	ck_assert_str_eq(k_select("scalar")->name, "scalar");
	ck_assert_ptr_null(k_select("mmx"));
	ck_assert_ptr_nonnull(k_select(NULL));
	ck_assert_ptr_eq(k_select(""), k_select(NULL));
}
END_TEST

Suite *suite_kernels(void)
{
	Suite *s = suite_create("kernels");
	TCase *t = tcase_create("kernels");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, every_level_equals_scalar_bit_for_bit);
	tcase_add_test(t, a_level_can_be_named_and_an_unknown_one_is_refused);
	suite_add_tcase(s, t);
	return s;
}
