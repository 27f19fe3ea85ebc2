/* See dbscript.h. */
#include "dbscript.h"

#include <check.h>

static const char *const ids[] = { "p0", "p1", "p2" };

enum status script_log_row(struct db *db)
{
	struct match_event ev = test_event("p0", "north", "allow", 0.5);
	int64_t id;

	return db_log_add(db, &ev, &id, NULL);
}

enum status script_enroll(struct db *db, struct script_truth *t, int who,
			  bool replace)
{
	enum status st = test_enroll(db, ids[who], "Name", replace);

	if (st == ST_OK)
		t->p[who] = PRESENT;
	else if (t->p[who] == ABSENT)
		t->p[who] = EITHER;
	return st;
}

enum status script_delete(struct db *db, struct script_truth *t, int who)
{
	int64_t key;
	enum status st = db_person_delete(db, ids[who], &test_by, &key, NULL);

	if (st == ST_OK || st == ST_NO_SUCH_PERSON) {
		t->p[who] = ABSENT;
		st = ST_OK;
	} else if (t->p[who] == PRESENT) {
		t->p[who] = EITHER;
	}
	return st;
}

enum status script_step(struct db *db, struct script_truth *t, int step)
{
	switch (step) {
	case 0:
		return script_enroll(db, t, 0, true);
	case 1:
		return script_enroll(db, t, 1, true);
	case 2:
		return script_log_row(db);
	case 3:
		return script_enroll(db, t, 0, true);
	case 4:
		return script_delete(db, t, 1);
	case 5:
		return script_enroll(db, t, 2, true);
	default:
		return script_log_row(db);
	}
}

void script_check(struct db *db, const struct script_truth *t)
{
	struct db_person p;

	(void)test_check_whole(db);
	for (int i = 0; i < 3; i++) {
		enum status st = db_person_get(db, ids[i], &p, NULL);

		if (t->p[i] == PRESENT)
			ck_assert_int_eq(st, ST_OK);
		if (t->p[i] == ABSENT)
			ck_assert_int_eq(st, ST_NO_SUCH_PERSON);
	}
}

void script_start_over(struct script_truth *t)
{
	struct db *db = test_open();

	*t = (struct script_truth){ { EITHER, EITHER, EITHER } };
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(script_delete(db, t, i), ST_OK);
	db_close(db);
}
