#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "face/gallery_mem.h"

#define CAPACITY 500

static void *memory;
static struct gallery *g;
static uint32_t state;

static void open_gallery(void)
{
	state = 77;
	memory = aligned_alloc(64, gallery_bytes(CAPACITY));
	g = gallery_open(memory, CAPACITY, k_select(NULL));
}

static void close_gallery(void)
{
	gallery_close(g);
	free(memory);
}

static struct face_template random_template(void)
{
	struct face_template t = { .length = 1 };
	float norm = 0;

	for (int i = 0; i < TEMPLATE_DIM; i++) {
		state = state * 1664525u + 1013904223u;
		t.v[i] = (int8_t)((int)(state >> 24) - 128);
		if (t.v[i] == -128)
			t.v[i] = -127;
		norm += (float)(t.v[i] * t.v[i]);
	}
	t.scale = 1.0f / __builtin_sqrtf(norm);
	return t;
}

static void put(int64_t person, int64_t id, const struct face_template *t)
{
	ck_assert_uint_eq(gallery_put(g, person, &id, t, 1, 0), ST_OK);
}

START_TEST(finds_the_best_template_of_a_person)
{
	struct face_template a = random_template(), b = random_template();
	struct gallery_hit hit;

	put(5, 50, &a);
	put(5, 51, &b);
	ck_assert_uint_eq(gallery_verify(g, 5, &b, &hit), ST_OK);
	ck_assert_int_eq(hit.template_id, 51);
	ck_assert_float_eq_tol(hit.score, 1.0f, 1e-5f);
	ck_assert_uint_eq(gallery_verify(g, 6, &b, &hit), ST_NO_SUCH_PERSON);
}
END_TEST

START_TEST(ranks_each_person_once_like_the_plain_definition)
{
	static struct face_template t[300];
	struct face_template probe;
	struct gallery_hit hits[10];

	for (int i = 0; i < 300; i++) {
		t[i] = random_template();
		put(1 + i % 60, 1000 + i, &t[i]);
	}
	for (int round = 0; round < 50; round++) {
		float best[61], last = 2.0f;

		probe = random_template();
		for (int p = 0; p <= 60; p++)
			best[p] = -2;
		for (int i = 0; i < 300; i++) {
			float s = template_cosine(&t[i], &probe);

			if (s > best[1 + i % 60])
				best[1 + i % 60] = s;
		}
		ck_assert_uint_eq(gallery_identify(g, &probe, hits, 10), 10);
		for (int k = 0; k < 10; k++) {
			int top = 1;

			for (int p = 1; p <= 60; p++)
				if (best[p] > best[top])
					top = p;
			ck_assert_int_eq(hits[k].person_key, top);
			ck_assert_float_eq_tol(hits[k].score, best[top], 1e-6f);
			ck_assert(hits[k].score <= last);
			last = hits[k].score;
			best[top] = -3;
		}
	}
}
END_TEST

/* Rows that lean to the probe more and more: each person's place changes many
 * times, and persons fall out of the list and come back. */
START_TEST(many_templates_of_few_persons_leave_the_best_of_each)
{
	struct face_template probe = random_template(), t;
	struct gallery_hit hits[4];

	for (int i = 0; i < CAPACITY; i++) {
		t = random_template();
		for (int d = 0; d < i * TEMPLATE_DIM / CAPACITY; d++)
			t.v[d] = probe.v[d];
		t.scale = probe.scale;
		put(1 + i % 7, 1 + i, &t);
	}
	ck_assert_uint_eq(gallery_identify(g, &probe, hits, 4), 4);
	for (int k = 0; k < 4; k++) {
		float best[8], score = 2;
		int person = 0;

		/* The plain definition: the k-th best of the persons' best. */
		for (int p = 1; p <= 7; p++) {
			struct gallery_hit own;

			ck_assert_uint_eq(gallery_verify(g, p, &probe, &own),
					  ST_OK);
			best[p] = own.score;
		}
		for (int rank = 0; rank <= k; rank++) {
			float next = -2;

			for (int p = 1; p <= 7; p++)
				if (best[p] < score && best[p] > next) {
					next = best[p];
					person = p;
				}
			score = next;
		}
		ck_assert_int_eq(hits[k].person_key, person);
		ck_assert(hits[k].score == score);
	}
}
END_TEST

START_TEST(keys_that_do_not_fit_are_refused)
{
	struct face_template t = random_template();
	int64_t good = UINT32_MAX, bad = good + 1;
	struct gallery_hit hit;

	ck_assert_uint_eq(gallery_put(g, good, &good, &t, 1, 0), ST_OK);
	ck_assert_uint_eq(gallery_put(g, bad, &good, &t, 1, 0),
			  ST_GALLERY_FULL);
	ck_assert_uint_eq(gallery_put(g, good, &bad, &t, 1, 0),
			  ST_GALLERY_FULL);
	ck_assert_uint_eq(gallery_count(g), 1);
	ck_assert_uint_eq(gallery_verify(g, good, &t, &hit), ST_OK);
	ck_assert_int_eq(hit.template_id, good);
	ck_assert_uint_eq(gallery_verify(g, bad, &t, &hit), ST_NO_SUCH_PERSON);
	ck_assert_uint_eq(gallery_identify(g, &t, &hit, 1), 1);
	ck_assert_int_eq(hit.person_key, good);
}
END_TEST

START_TEST(equal_scores_are_ranked_by_key_whatever_the_order_of_rows)
{
	struct face_template t = random_template();
	struct gallery_hit hits[3];

	put(9, 1, &t);
	put(3, 2, &t);
	put(7, 3, &t);
	put(1, 4, &t);
	gallery_remove(g, 9);
	ck_assert_uint_eq(gallery_identify(g, &t, hits, 3), 3);
	ck_assert_int_eq(hits[0].person_key, 1);
	ck_assert_int_eq(hits[1].person_key, 3);
	ck_assert_int_eq(hits[2].person_key, 7);
}
END_TEST

START_TEST(full_takes_all_or_nothing)
{
	static struct face_template t[CAPACITY];
	static int64_t ids[CAPACITY];

	for (int i = 0; i < CAPACITY; i++) {
		t[i] = random_template();
		ids[i] = i + 1;
	}
	ck_assert_uint_eq(gallery_put(g, 1, ids, t, CAPACITY - 1, 0), ST_OK);
	ck_assert_uint_eq(gallery_put(g, 2, ids, t, 2, 0), ST_GALLERY_FULL);
	ck_assert_uint_eq(gallery_count(g), CAPACITY - 1);
	ck_assert_uint_eq(gallery_room(g, 2, 1, 0), ST_OK);
	ck_assert_uint_eq(gallery_room(g, 2, 2, 0), ST_GALLERY_FULL);
	/* Replacing frees the person's own places first. */
	ck_assert_uint_eq(gallery_room(g, 1, CAPACITY, 1), ST_OK);
	ck_assert_uint_eq(gallery_put(g, 1, ids, t, CAPACITY, 1), ST_OK);
	ck_assert_uint_eq(gallery_count(g), CAPACITY);
}
END_TEST

START_TEST(removal_leaves_no_bytes_and_spares_others)
{
	struct face_template a = random_template(), b = random_template();
	struct gallery_hit hit;

	put(1, 1, &a);
	put(2, 2, &b);
	put(1, 3, &a);
	ck_assert_uint_eq(gallery_remove(g, 1), 2);
	ck_assert_uint_eq(gallery_remove(g, 1), 0);
	ck_assert_ptr_null(
		memmem(memory, gallery_bytes(CAPACITY), a.v, TEMPLATE_DIM));
	ck_assert_uint_eq(gallery_verify(g, 2, &b, &hit), ST_OK);
	ck_assert_uint_eq(gallery_count(g), 1);
}
END_TEST

START_TEST(an_empty_gallery_names_nobody)
{
	struct face_template t = random_template();
	struct gallery_hit hits[2];

	ck_assert_uint_eq(gallery_identify(g, &t, hits, 2), 0);
	ck_assert_uint_eq(gallery_identify(g, &t, hits, 0), 0);
}
END_TEST

static void *churn(void *arg)
{
	int64_t person = (int64_t)(intptr_t)arg;
	struct face_template t = { .scale = 0.01f };
	struct gallery_hit hits[4];

	t.v[person % TEMPLATE_DIM] = 100;
	for (int i = 0; i < 2000; i++) {
		int64_t id = i + 1;
		struct gallery_hit hit;

		ck_assert_uint_eq(gallery_put(g, person, &id, &t, 1, 1), ST_OK);
		ck_assert_uint_eq(gallery_verify(g, person, &t, &hit), ST_OK);
		ck_assert_int_eq(hit.template_id, id);
		gallery_identify(g, &t, hits, 4);
	}
	return NULL;
}

START_TEST(threads_see_their_own_writes)
{
	pthread_t threads[4];

	for (intptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, churn,
						(void *)(i + 1)),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(gallery_count(g), 4);
}
END_TEST

Suite *suite_gallery(void)
{
	Suite *s = suite_create("gallery");
	TCase *t = tcase_create("gallery");

	tcase_add_checked_fixture(t, open_gallery, close_gallery);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, finds_the_best_template_of_a_person);
	tcase_add_test(t, ranks_each_person_once_like_the_plain_definition);
	tcase_add_test(t, many_templates_of_few_persons_leave_the_best_of_each);
	tcase_add_test(t, keys_that_do_not_fit_are_refused);
	tcase_add_test(
		t, equal_scores_are_ranked_by_key_whatever_the_order_of_rows);
	tcase_add_test(t, full_takes_all_or_nothing);
	tcase_add_test(t, removal_leaves_no_bytes_and_spares_others);
	tcase_add_test(t, an_empty_gallery_names_nobody);
	tcase_add_test(t, threads_see_their_own_writes);
	suite_add_tcase(s, t);
	return s;
}
