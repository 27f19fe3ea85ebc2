/* What a generated list of suites gives to the runner. */
#ifndef FACEGATE_TEST_RUNNER_H
#define FACEGATE_TEST_RUNNER_H

#include <check.h>

typedef Suite *suite_maker(void);

extern suite_maker *const suites[]; /* NULL at the end */

#endif
