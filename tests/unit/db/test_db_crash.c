/* The process dies in mid-enrolment, many times; and several threads use one
 * handle at once.
 */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dbtest.h"

Suite *suite_db_crash(void);

enum { KILLS = 50 };

/* Enrols without end; says which person is acknowledged, one number each. */
static void enrol_until_killed(int out, int round)
{
	struct db_options opt = test_options();
	struct db *db;
	char id[32];

	if (db_open(&opt, &db, NULL) != ST_OK)
		_exit(1);
	for (int i = 0;; i++) {
		(void)snprintf(id, sizeof id, "r%d-%d", round, i);
		if (test_enroll(db, id, "Somebody", i % 3 == 2) != ST_OK)
			_exit(2);
		if (write(out, &i, sizeof i) != sizeof i)
			_exit(3);
	}
}

/* Returns how many were acknowledged before the kill. */
static int kill_one(int round)
{
	/* The kill comes after a number of acknowledgements that differs from
	 * round to round, while the next enrolment runs. */
	int wanted = 1 + round % 7, last = -1, got, status;
	int ends[2];
	pid_t child;

	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		close(ends[0]);
		enrol_until_killed(ends[1], round);
	}
	close(ends[1]);
	while (last + 1 < wanted &&
	       read(ends[0], &got, sizeof got) == sizeof got)
		last = got;
	/* A round-dependent bit of work moves the kill within an enrolment. */
	for (volatile int spin = 0; spin < (round * 7919) % 50000; spin++)
		;
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFSIGNALED(status), "the child ended by itself: %d",
		      status);
	while (read(ends[0], &got, sizeof got) == sizeof got)
		last = got;
	close(ends[0]);
	ck_assert_int_ge(last + 1, wanted);
	return last + 1;
}

START_TEST(killed_process_loses_nothing_acknowledged)
{
	static int acknowledged[KILLS];
	struct db_person p;
	struct db *db;
	char id[32];

	for (int round = 0; round < KILLS; round++) {
		acknowledged[round] = kill_one(round);
		db = test_open();
		(void)test_check_whole(db);
		db_close(db);
	}
	db = test_open();
	for (int round = 0; round < KILLS; round++) {
		for (int i = 0; i < acknowledged[round]; i++) {
			(void)snprintf(id, sizeof id, "r%d-%d", round, i);
			ck_assert_int_eq(db_person_get(db, id, &p, NULL),
					 ST_OK);
		}
	}
	db_close(db);
}
END_TEST

struct crew {
	struct db *db;
	int number;
	_Atomic int *failures;
};

enum { THREADS = 4, ROUNDS = 60 };

static void one_round(const struct crew *c, int i)
{
	struct match_event ev = test_event("x", "north", "allow", 0.5);
	struct log_filter f = { .min_score = 0 };
	struct match_event rows[8];
	struct db_person p, page[8];
	char id[32];
	int64_t key, log_id;
	size_t count;
	int bad = 0;

	(void)snprintf(id, sizeof id, "t%d-%d", c->number, i);
	bad += test_enroll(c->db, id, id, i % 2) != ST_OK;
	bad += db_person_get(c->db, id, &p, NULL) != ST_OK;
	bad += p.templates != TEST_PER_PERSON;
	bad += db_log_add(c->db, &ev, &log_id, NULL) != ST_OK;
	bad += db_log_list(c->db, &f, rows, 8, &count, NULL) != ST_OK;
	bad += count == 0 || rows[0].id < log_id;
	bad += db_people_list(c->db, "", page, 8, &count, NULL) != ST_OK;
	bad += db_writable(c->db, NULL) != ST_OK;
	if (i % 3 == 0) {
		bad += db_person_delete(c->db, id, &test_by, &key, NULL) !=
		       ST_OK;
		bad += db_person_get(c->db, id, &p, NULL) != ST_NO_SUCH_PERSON;
	}
	atomic_fetch_add(c->failures, bad);
}

static void *work(void *arg)
{
	const struct crew *c = arg;

	for (int i = 0; i < ROUNDS; i++)
		one_round(c, i);
	return NULL;
}

START_TEST(threads_share_one_handle)
{
	_Atomic int failures = 0;
	struct crew crew[THREADS];
	pthread_t threads[THREADS];
	struct db *db = test_open();

	for (int i = 0; i < THREADS; i++) {
		crew[i] = (struct crew){ db, i, &failures };
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, work, &crew[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_int_eq(failures, 0);
	ck_assert_uint_eq(test_check_whole(db), THREADS * ROUNDS * 2 / 3);
	db_close(db);
}
END_TEST

Suite *suite_db_crash(void)
{
	Suite *s = suite_create("db_crash");
	TCase *tc = tcase_create("crash");

	tcase_add_checked_fixture(tc, test_dir_make, test_dir_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, killed_process_loses_nothing_acknowledged);
	tcase_add_test(tc, threads_share_one_handle);
	suite_add_tcase(s, tc);
	return s;
}
