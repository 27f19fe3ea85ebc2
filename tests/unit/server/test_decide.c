/* Who the person in a picture is, and what a score means. */
#include <check.h>
#include <string.h>

#include "decide.h"

static struct face face(float width, float confidence, float inter_eye_px)
{
	struct face f = { .box = { 0, 0, width, width * 1.3f },
			  .confidence = confidence,
			  .inter_eye_px = inter_eye_px };

	return f;
}

START_TEST(no_face_is_never_a_verdict)
{
	struct errinfo err;

	err_clear(&err);
	ck_assert_uint_eq(decide_person(NULL, 0, DECIDE_PROBE, 0, &err),
			  ST_NO_FACE);
	ck_assert_uint_eq(decide_person(NULL, 0, DECIDE_ENROL, 0, NULL),
			  ST_NO_FACE);
}
END_TEST

START_TEST(company_is_judged_by_size_confidence_and_purpose)
{
	struct face f[2] = { face(100, 0.99f, 40), face(60, 0.99f, 25) };
	struct errinfo err;

	err_clear(&err);
	/* Someone in the background may watch a door, not an enrolment. */
	ck_assert_uint_eq(decide_person(f, 2, DECIDE_PROBE, 10, NULL), ST_OK);
	ck_assert_uint_eq(decide_person(f, 2, DECIDE_ENROL, 10, &err),
			  ST_SEVERAL_FACES);
	ck_assert_int_eq(err.limit, 1);
	ck_assert_int_eq(err.found, 2);
	f[1] = face(85, 0.99f, 35);
	ck_assert_uint_eq(decide_person(f, 2, DECIDE_PROBE, 10, NULL),
			  ST_SEVERAL_FACES);
	f[1].confidence = 0.8f; /* a pattern on the wall */
	ck_assert_uint_eq(decide_person(f, 2, DECIDE_PROBE, 10, NULL), ST_OK);
}
END_TEST

START_TEST(a_face_too_small_says_how_small)
{
	struct face f = face(40, 0.99f, 15.4f);
	struct errinfo err;

	err_clear(&err);
	ck_assert_uint_eq(decide_person(&f, 1, DECIDE_PROBE, 16, &err),
			  ST_FACE_TOO_SMALL);
	ck_assert_int_eq(err.limit, 16);
	ck_assert_int_eq(err.found, 15);
	f.inter_eye_px = 16;
	ck_assert_uint_eq(decide_person(&f, 1, DECIDE_PROBE, 16, NULL), ST_OK);
}
END_TEST

START_TEST(the_rate_of_one_comparison_falls_with_the_gallery)
{
	ck_assert_double_eq(decide_search_fmr(1e-4, 0), 1e-4);
	ck_assert_double_eq(decide_search_fmr(1e-4, 1), 1e-4);
	ck_assert_double_eq(decide_search_fmr(1e-4, 100), 1e-6);
}
END_TEST

START_TEST(a_score_at_the_cut_is_a_match)
{
	const char *reason;

	ck_assert_uint_eq(decide_score(0.5f, 0.5f, false, &reason),
			  DECIDE_ALLOW);
	ck_assert_str_eq(reason, "match");
	ck_assert_uint_eq(decide_score(0.4999f, 0.5f, false, &reason),
			  DECIDE_DENY);
	ck_assert_str_eq(reason, "below_threshold");
	/* Whatever went wrong with a score, it opens nothing. */
	ck_assert_uint_eq(
		decide_score(__builtin_nanf(""), 0.5f, false, &reason),
		DECIDE_DENY);
}
END_TEST

START_TEST(a_poor_picture_is_unsure_whatever_its_score)
{
	static const float scores[] = { -1.0f, 0.4f, 0.5f, 1.0f };
	const char *reason;

	for (int i = 0; i < 4; i++) {
		ck_assert_uint_eq(decide_score(scores[i], 0.5f, true, &reason),
				  DECIDE_UNSURE);
		ck_assert_str_eq(reason, "low_quality");
	}
}
END_TEST

START_TEST(quality_is_good_enough_from_its_minimum_on)
{
	struct errinfo err;

	ck_assert_uint_eq(decide_quality(3.0f, 3, NULL), ST_OK);
	ck_assert_uint_eq(decide_quality(0.0f, 0, NULL), ST_OK);
	err_clear(&err);
	ck_assert_uint_eq(decide_quality(2.97f, 3, &err), ST_LOW_QUALITY);
	ck_assert_int_eq(err.limit, 3);
	ck_assert_int_eq(err.found, 2);
	/* Never rounded up to what would have been enough. */
	ck_assert_ptr_nonnull(strstr(err.text, "2.9 of 100, 3 is needed"));
	ck_assert_uint_eq(decide_quality(__builtin_nanf(""), 0, NULL),
			  ST_LOW_QUALITY);
}
END_TEST

START_TEST(a_confidence_is_two_thirds_at_the_cut_and_rises_with_the_score)
{
	double last = -1;

	ck_assert(decide_confidence(-1, 0.55f) == 0);
	ck_assert(decide_confidence(0.55f, 0.55f) == 0.67);
	ck_assert(decide_confidence(1, 0.55f) == 1);
	ck_assert(decide_confidence(1.001f, 0.55f) == 1);
	ck_assert(decide_confidence(0.55f + 0.45f * 0.6f, 0.55f) == 0.87);
	/* Another cut, another score, the same meaning. */
	ck_assert(decide_confidence(0.43f, 0.43f) == 0.67);
	for (float score = -1; score <= 1; score += 0.01f) {
		double now = decide_confidence(score, 0.55f);

		ck_assert(now >= last);
		last = now;
	}
}
END_TEST

START_TEST(words_are_those_of_the_api)
{
	ck_assert_str_eq(decide_word(DECIDE_ALLOW), "allow");
	ck_assert_str_eq(decide_word(DECIDE_DENY), "deny");
	ck_assert_str_eq(decide_word(DECIDE_UNSURE), "unsure");
}
END_TEST

Suite *suite_decide(void)
{
	Suite *s = suite_create("decide");
	TCase *t = tcase_create("decide");

	tcase_add_test(t, no_face_is_never_a_verdict);
	tcase_add_test(t, company_is_judged_by_size_confidence_and_purpose);
	tcase_add_test(t, a_face_too_small_says_how_small);
	tcase_add_test(t, the_rate_of_one_comparison_falls_with_the_gallery);
	tcase_add_test(t, a_score_at_the_cut_is_a_match);
	tcase_add_test(t, a_poor_picture_is_unsure_whatever_its_score);
	tcase_add_test(t, quality_is_good_enough_from_its_minimum_on);
	tcase_add_test(
		t,
		a_confidence_is_two_thirds_at_the_cut_and_rises_with_the_score);
	tcase_add_test(t, words_are_those_of_the_api);
	suite_add_tcase(s, t);
	return s;
}
