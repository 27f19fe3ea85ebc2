/* A pair list in a file of its own, for the tests of the tool. */
#ifndef FACEGATE_CLITEST_H
#define FACEGATE_CLITEST_H

#include "engine.h"
#include "evaluate.h"
#include "pairs.h"

extern char clitest_path[]; /* of the file, while a test runs */

void clitest_setup(void);
void clitest_teardown(void);
void clitest_write(const char *text);
void clitest_write_bytes(const char *bytes, size_t length);
/* Writes the list, which must be sound, and reads it. */
void clitest_list(const char *text, struct pair_list *out);

/* The engine with the shipped models, for its kernels. */
struct engine *clitest_engine(void);

/* persons x pictures pictures named by number, "p000 1" onwards, with a face
 * in each and templates in random directions, the same for all pictures of a
 * person. The list has no pairs. */
struct clitest_set {
	struct pair_list list;
	struct measured *m;
	struct face_template *t;
	struct errata errata;
	struct evaluation ev;
};
void clitest_set_open(struct clitest_set *s, size_t persons, size_t pictures);
void clitest_set_close(struct clitest_set *s);
/* Errata for the set, as a file would hold them. */
void clitest_set_errata(struct clitest_set *s, const char *text);
/* A template in a random direction; seed moves on. */
struct face_template clitest_template(uint32_t *seed);
/* A number of o by its path, such as "open_set/trials". */
double clitest_number(const json_t *o, const char *path);

#endif
