/* Reads the tensors of tests/golden. */
#ifndef FACEGATE_TEST_GOLDEN_H
#define FACEGATE_TEST_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

#define GOLDEN_TENSORS_MAX 32

struct golden_tensor {
	uint32_t type, height, width, channels;
	size_t bytes;
	const uint8_t *data;
};

struct golden {
	uint8_t *file;
	uint32_t count;
	struct golden_tensor tensor[GOLDEN_TENSORS_MAX];
};

/* Fails the test when the file cannot be read. */
void golden_read(struct golden *g, const char *name);
void golden_free(struct golden *g);

/* A path below the source folder; the text lives until the next call. */
const char *golden_path(const char *name);

/* A whole file in memory, 64-byte aligned; free() it. */
uint8_t *golden_file(const char *path, size_t *bytes);

#define EMBEDDERS_MAX 8

/* Every shipped embedder-NAME.fgm: its path below the source folder and its
 * name. Returns how many, at least one. */
struct golden_embedder {
	char path[128], name[64];
};
size_t golden_embedders(struct golden_embedder out[EMBEDDERS_MAX]);

#endif
