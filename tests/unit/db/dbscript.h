/* A fixed sequence of changes to three persons, and what must be true of the
 * file after any of them failed: used by the fault tests.
 */
#ifndef FACEGATE_TEST_DBSCRIPT_H
#define FACEGATE_TEST_DBSCRIPT_H

#include "dbtest.h"

/* What the file must say about each of the three persons. */
enum presence { ABSENT, PRESENT, EITHER };

struct script_truth {
	enum presence p[3];
};

enum { SCRIPT_STEPS = 7 };

/* Each changes the truth according to what it returns. */
enum status script_enroll(struct db *db, struct script_truth *t, int who,
			  bool replace);
enum status script_delete(struct db *db, struct script_truth *t, int who);
enum status script_log_row(struct db *db);
enum status script_step(struct db *db, struct script_truth *t, int step);

/* Fails the test unless the store agrees with the truth. */
void script_check(struct db *db, const struct script_truth *t);
/* Brings the three persons to the state the steps start from. */
void script_start_over(struct script_truth *t);

#endif
