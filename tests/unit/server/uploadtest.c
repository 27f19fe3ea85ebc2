#include "uploadtest.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t test_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint32_t test_random(uint64_t *state)
{
	*state = *state * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(*state >> 33);
}

size_t test_base64(const uint8_t *in, size_t n, char *out)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789+/";
	size_t o = 0;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)in[i] << 16;

		if (i + 1 < n)
			v |= (uint32_t)in[i + 1] << 8;
		if (i + 2 < n)
			v |= in[i + 2];
		out[o++] = letters[v >> 18];
		out[o++] = letters[v >> 12 & 63];
		out[o++] = i + 1 < n ? letters[v >> 6 & 63] : '=';
		out[o++] = i + 2 < n ? letters[v & 63] : '=';
	}
	out[o] = '\0';
	return o;
}

/* One upload serves all runs, as a slot of the daemon does. */
static struct upload *the_upload(void)
{
	static struct upload *u;
	static void *mem;

	if (u == NULL) {
		mem = malloc(upload_bytes(UPLOAD_RING_BYTES));
		ck_assert_ptr_nonnull(mem);
		upload_init(mem, UPLOAD_RING_BYTES, &u);
	}
	return u;
}

struct upload *fresh_upload(const char *type, void (*drained)(void *ctx),
			    void *ctx)
{
	struct upload *u = the_upload();
	uint64_t deadline = test_now_us() + 600000000; /* on a busy machine */

	ck_assert_int_eq(
		upload_begin(u, type, 1 << 30, deadline, drained, ctx, NULL),
		ST_OK);
	return u;
}

static void read_pictures(struct upload *u, struct outcome *o)
{
	enum status st;
	ssize_t got;

	while ((st = upload_next_picture(u, &o->err)) == ST_OK) {
		size_t start = o->total;

		while ((got = upload_read(u, o->bytes + o->total,
					  sizeof(o->bytes) - o->total + 1)) > 0)
			o->total += (size_t)got;
		ck_assert_int_eq(got, 0);
		o->length[o->pictures++] = o->total - start;
	}
	o->st = st == ST_END ? ST_OK : st;
}

const struct outcome *run_cut(const char *type, const void *body, size_t n,
			      cutter *cut, void *ctx)
{
	static struct outcome outcomes[2];
	static unsigned turn;
	struct outcome *o = &outcomes[turn++ % 2];
	struct upload *u = the_upload();
	const char *name;
	size_t piece, len = 0;

	memset(o, 0, sizeof(*o));
	err_clear(&o->err);
	o->st = upload_begin(u, type, 1 << 30, test_now_us() + 60000000, NULL,
			     NULL, &o->err);
	if (o->st != ST_OK)
		return o;
	for (size_t i = 0; i < n; i += piece) {
		/* A copy of its own size lets the sanitizer see a read past
		 * the piece. */
		uint8_t *copy;

		piece = cut(ctx, n - i);
		copy = malloc(piece);
		ck_assert_ptr_nonnull(copy);
		memcpy(copy, (const uint8_t *)body + i, piece);
		ck_assert_uint_eq(upload_feed(u, copy, piece), piece);
		free(copy);
	}
	upload_finish(u);
	read_pictures(u, o);
	if (o->st != ST_OK) {
		ck_assert_int_eq(o->st, o->err.status);
		ck_assert_uint_gt(strlen(o->err.text), 0);
		o->pictures = upload_picture_count(u);
		return o;
	}
	ck_assert_int_eq(upload_drain(u, NULL), ST_OK);
	ck_assert_uint_eq(o->pictures, upload_picture_count(u));
	o->params = upload_param_count(u);
	for (size_t i = 0; i < o->params; i++) {
		name = upload_param_name(u, i);
		len += (size_t)snprintf(o->text + len, sizeof(o->text) - len,
					"%s=%s\n", name, upload_param(u, name));
	}
	return o;
}

static size_t cut_nowhere(void *ctx, size_t left)
{
	(void)ctx;
	return left;
}

static size_t cut_once(void *ctx, size_t left)
{
	size_t piece = *(size_t *)ctx;

	*(size_t *)ctx = left;
	return piece < left ? piece : left;
}

static size_t cut_bytes(void *ctx, size_t left)
{
	(void)ctx;
	return left > 0 ? 1 : 0;
}

static size_t cut_random(void *ctx, size_t left)
{
	uint32_t r = test_random(ctx);
	size_t piece = r % 8 == 0 ? 1 + r / 8 % 300 : 1 + r / 8 % 9;

	return piece < left ? piece : left;
}

const struct outcome *run_whole(const char *type, const void *body, size_t n)
{
	return run_cut(type, body, n, cut_nowhere, NULL);
}

const struct outcome *run_text(const char *type, const char *body)
{
	return run_all_cuts(type, body, strlen(body));
}

void check_same(const struct outcome *a, const struct outcome *b)
{
	ck_assert_int_eq(a->st, b->st);
	ck_assert_str_eq(a->err.text, b->err.text);
	ck_assert_int_eq(a->err.limit, b->err.limit);
	ck_assert_int_eq(a->err.found, b->err.found);
	ck_assert_uint_eq(a->pictures, b->pictures);
	ck_assert_mem_eq(a->length, b->length, sizeof(a->length));
	ck_assert_uint_eq(a->total, b->total);
	if (a->total > 0)
		ck_assert_mem_eq(a->bytes, b->bytes, a->total);
	ck_assert_uint_eq(a->params, b->params);
	ck_assert_str_eq(a->text, b->text);
}

const struct outcome *run_all_cuts(const char *type, const void *body, size_t n)
{
	static struct outcome whole;
	uint64_t seed = 17;
	/* Every place in a small body; in a large one those near both ends. */
	size_t near = n < 2500 ? n : 600;

	whole = *run_whole(type, body, n);
	for (size_t i = 1; i < n; i++) {
		size_t at = i;

		if (i < near || n - i < near)
			check_same(&whole,
				   run_cut(type, body, n, cut_once, &at));
	}
	check_same(&whole, run_cut(type, body, n, cut_bytes, NULL));
	for (int i = 0; i < 20; i++)
		check_same(&whole, run_cut(type, body, n, cut_random, &seed));
	return &whole;
}
