/* The one main() of all libcheck programs: runs every suite of its floor, or
 * those named by CK_RUN_SUITE and CK_RUN_CASE in the environment. Exits with 1
 * when a check failed or when nothing at all was run. */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	SRunner *runner = srunner_create(NULL);
	int failed, run;

	/* Four seconds are little for a machine that stalls. */
	(void)setenv("CK_DEFAULT_TIMEOUT", "60", 0);
	for (suite_maker *const *make = suites; *make != NULL; make++)
		srunner_add_suite(runner, (*make)());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	run = srunner_ntests_run(runner);
	srunner_free(runner);
	if (run == 0)
		fprintf(stderr, "no test was run\n");
	return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
