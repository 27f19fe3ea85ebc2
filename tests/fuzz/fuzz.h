/* What the fuzzers share. Each is one libFuzzer entry; built without clang's
 * fuzzer, replay.c runs it on the files of its corpus. A finding aborts. */
#ifndef FACEGATE_FUZZ_H
#define FACEGATE_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts, with a line on stderr, unless ok. */
#define fuzz_check(ok) fuzz_check_at((ok), #ok, __FILE__, __LINE__)
void fuzz_check_at(int ok, const char *what, const char *file, int line);

/* The bytes as a text of their own, which the caller frees: a sanitizer sees
 * whoever reads beyond its end. It ends at the first NUL among them. */
char *fuzz_text(const uint8_t *data, size_t size);

/* A path that reads as a file of these bytes, until the next call; its owner
 * alone may read it. */
const char *fuzz_file(const uint8_t *data, size_t size);

/* A folder made at the first call; it and the files in it go at exit. */
const char *fuzz_folder(void);

#endif
