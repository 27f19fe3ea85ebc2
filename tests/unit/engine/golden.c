#include "golden.h"

#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *golden_path(const char *name)
{
	static char path[1024];

	snprintf(path, sizeof(path), "%s/%s", FACEGATE_SOURCE_DIR, name);
	return path;
}

uint8_t *golden_file(const char *path, size_t *bytes)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p;
	long n;

	ck_assert_msg(f != NULL, "%s is missing", path);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	ck_assert_int_gt(n, 0);
	p = aligned_alloc(64, ((size_t)n + 63) / 64 * 64);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(fread(p, 1, (size_t)n, f), (size_t)n);
	fclose(f);
	*bytes = (size_t)n;
	return p;
}

static uint32_t u32(const uint8_t **p)
{
	uint32_t v;

	memcpy(&v, *p, 4);
	*p += 4;
	return v;
}

void golden_read(struct golden *g, const char *name)
{
	char path[256];
	const uint8_t *p;
	size_t bytes;

	snprintf(path, sizeof(path), "tests/golden/%s", name);
	g->file = golden_file(golden_path(path), &bytes);
	p = g->file;
	g->count = u32(&p);
	ck_assert_uint_le(g->count, GOLDEN_TENSORS_MAX);
	for (uint32_t i = 0; i < g->count; i++) {
		struct golden_tensor *t = &g->tensor[i];

		t->type = u32(&p);
		t->height = u32(&p);
		t->width = u32(&p);
		t->channels = u32(&p);
		t->bytes = (size_t)t->height * t->width * t->channels *
			   (t->type == 3 ? 4 : t->type);
		t->data = p;
		p += t->bytes;
	}
	ck_assert_uint_eq((size_t)(p - g->file), bytes);
}

void golden_free(struct golden *g)
{
	free(g->file);
}

size_t golden_embedders(struct golden_embedder out[EMBEDDERS_MAX])
{
	glob_t found;
	size_t n;

	ck_assert_int_eq(
		glob(golden_path("models/embedder-*.fgm"), 0, NULL, &found), 0);
	n = found.gl_pathc;
	ck_assert_uint_le(n, EMBEDDERS_MAX);
	for (size_t i = 0; i < n; i++) {
		const char *path = strrchr(found.gl_pathv[i], '/') + 1;

		snprintf(out[i].path, sizeof(out[i].path), "models/%s", path);
		ck_assert_int_eq(
			sscanf(path, "embedder-%63[^.].fgm", out[i].name), 1);
	}
	globfree(&found);
	return n;
}
