/* See dbscript.h. */
#include "dbscript.h"

#include <check.h>
#include <unistd.h>

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

static int keep_up(struct db *db, int64_t now_ms)
{
	struct db_condition how;
	bool more;

	do
		db_upkeep(db, now_ms, &more);
	while (more);
	db_condition(db, &how);
	return how.backup_ms == now_ms;
}

void script_backup(void (*arm)(void), void (*calm)(void))
{
	const int64_t hour_ms = 3600000, start_ms = 1900000000000;
	struct db_options opt = test_options();
	struct db *db = NULL;
	char path[512];
	int made;

	test_path("facegate.backup", path);
	opt.backup_file = path;
	opt.backup_minutes = 60;
	ck_assert_int_eq(db_open(&opt, &db, NULL), ST_OK);
	ck_assert_int_eq(test_enroll(db, "p0", NULL, true), ST_OK);
	(void)keep_up(db, start_ms);
	ck_assert(keep_up(db, start_ms + hour_ms));
	ck_assert_int_eq(test_people_in(path), 1);
	ck_assert_int_eq(test_enroll(db, "p1", NULL, true), ST_OK);
	arm();
	made = keep_up(db, start_ms + 3 * hour_ms);
	calm();
	ck_assert_int_eq(test_people_in(path), made ? 2 : 1);
	(void)keep_up(db, start_ms + 5 * hour_ms);
	ck_assert_int_eq(test_people_in(path), 2);
	db_close(db);
	ck_assert_int_eq(unlink(path), 0);
	db = test_open();
	ck_assert_uint_eq(test_check_whole(db), 2);
	ck_assert_int_eq(
		db_person_delete(db, "p1", &test_by, &(int64_t){ 0 }, NULL),
		ST_OK);
	db_close(db);
}
