/* A pair list in a file of its own, for the tests of the tool. */
#ifndef FACEGATE_CLITEST_H
#define FACEGATE_CLITEST_H

#include "pairs.h"

extern char clitest_path[]; /* of the file, while a test runs */

void clitest_setup(void);
void clitest_teardown(void);
void clitest_write(const char *text);
void clitest_write_bytes(const char *bytes, size_t length);
/* Writes the list, which must be sound, and reads it. */
void clitest_list(const char *text, struct pair_list *out);

#endif
