/* The orientation out of whole, odd and damaged EXIF segments. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "image/exif.h"

Suite *suite_exif(void);

/* Two entries, the second one the orientation (6), in both byte orders. */
static const uint8_t big[] = {
	'E', 'x',  'i', 'f', 0, 0,		      /* */
	'M', 'M',  0,	42,  0, 0, 0, 8,	      /* header */
	0,   2,					      /* entries */
	1,   15,   0,	2,   0, 0, 0, 6, 0, 0, 0, 38, /* maker's name */
	1,   0x12, 0,	3,   0, 0, 0, 1, 0, 6, 0, 0,  /* orientation */
	0,   0,	   0,	0,
};
static const uint8_t little[] = {
	'E',  'x', 'i', 'f', 0, 0,		      /* */
	'I',  'I', 42,	0,   8, 0, 0, 0,	      /* header */
	2,    0,				      /* entries */
	15,   1,   2,	0,   6, 0, 0, 0, 38, 0, 0, 0, /* maker's name */
	0x12, 1,   3,	0,   1, 0, 0, 0, 6,  0, 0, 0, /* orientation */
	0,    0,   0,	0,
};
#define DIRECTORY 14 /* the offset of the count of entries */
#define TAG	  28 /* ... of the orientation's entry */

/* From a copy that ends where it ends, so that a memory checker sees more. */
static unsigned parse(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n + !n);
	unsigned o;

	memcpy(copy, p, n);
	o = exif_orientation(copy, n);
	free(copy);
	return o;
}

static unsigned parse_changed(size_t at, uint8_t value)
{
	uint8_t copy[sizeof(big)];

	memcpy(copy, big, sizeof(big));
	copy[at] = value;
	return parse(copy, sizeof(copy));
}

START_TEST(reads_both_byte_orders)
{
	ck_assert_uint_eq(parse(big, sizeof(big)), 6);
	ck_assert_uint_eq(parse(little, sizeof(little)), 6);
}
END_TEST

START_TEST(reads_each_orientation_and_no_other)
{
	for (unsigned v = 0; v < 256; v++)
		ck_assert_uint_eq(parse_changed(TAG + 9, (uint8_t)v),
				  v >= 1 && v <= 8 ? v : 1);
	ck_assert_uint_eq(parse_changed(TAG + 8, 1), 1); /* 262 */
}
END_TEST

START_TEST(a_segment_cut_before_the_value_is_upright)
{
	for (size_t n = 0; n < sizeof(big); n++) {
		unsigned want = n >= TAG + 10 ? 6 : 1;

		ck_assert_uint_eq(parse(big, n), want);
		ck_assert_uint_eq(parse(little, n), want);
	}
}
END_TEST

START_TEST(what_makes_no_sense_is_upright)
{
	static const uint8_t xmp[] = "http://ns.adobe.com/xap/1.0/\0<x>";

	ck_assert_uint_eq(parse(xmp, sizeof(xmp)), 1);
	ck_assert_uint_eq(parse_changed(5, 1), 1);     /* "Exif" 0 1 */
	ck_assert_uint_eq(parse_changed(6, 'X'), 1);   /* byte order */
	ck_assert_uint_eq(parse_changed(9, 43), 1);    /* magic number */
	ck_assert_uint_eq(parse_changed(13, 7), 1);    /* inside header */
	ck_assert_uint_eq(parse_changed(10, 0xff), 1); /* far outside */
	ck_assert_uint_eq(parse_changed(DIRECTORY + 1, 1), 1); /* one entry */
	ck_assert_uint_eq(parse_changed(TAG + 3, 4), 1);       /* not a SHORT */
	ck_assert_uint_eq(parse_changed(TAG + 1, 0x13), 1);
}
END_TEST

START_TEST(more_entries_than_there_are_bytes_do_no_harm)
{
	uint8_t copy[sizeof(big)];

	memcpy(copy, big, sizeof(big));
	copy[DIRECTORY] = 0xff;
	ck_assert_uint_eq(parse(copy, sizeof(copy)), 6);
	copy[TAG + 1] = 0x11;
	ck_assert_uint_eq(parse(copy, sizeof(copy)), 1);
}
END_TEST

START_TEST(random_bytes_never_reach_outside)
{
	uint32_t state = 1;
	uint8_t copy[sizeof(big)];

	for (int k = 0; k < 20000; k++) {
		unsigned o;

		memcpy(copy, k & 1 ? big : little, sizeof(copy));
		for (int f = 0; f < 4; f++) {
			state = state * 1664525u + 1013904223u;
			copy[6 + (state >> 8) % (sizeof(copy) - 6)] =
				(uint8_t)(state >> 24);
		}
		o = parse(copy, sizeof(copy) - (state >> 16) % 20);
		ck_assert_uint_ge(o, 1);
		ck_assert_uint_le(o, 8);
	}
}
END_TEST

Suite *suite_exif(void)
{
	Suite *s = suite_create("exif");
	TCase *t = tcase_create("exif");

	tcase_add_test(t, reads_both_byte_orders);
	tcase_add_test(t, reads_each_orientation_and_no_other);
	tcase_add_test(t, a_segment_cut_before_the_value_is_upright);
	tcase_add_test(t, what_makes_no_sense_is_upright);
	tcase_add_test(t, more_entries_than_there_are_bytes_do_no_harm);
	tcase_add_test(t, random_bytes_never_reach_outside);
	suite_add_tcase(s, t);
	return s;
}
