/* Base64 as it arrives. */
#include <check.h>
#include <string.h>

#include "base64.h"
#include "uploadtest.h"

Suite *suite_base64(void);

/* Decodes text cut in two at every place; true if all of it is base64. */
static bool decodes(const char *text, uint8_t *out, size_t *len)
{
	size_t n = strlen(text), made, took = 0;
	bool good = false;

	for (size_t cut = 0; cut <= n; cut++) {
		struct base64 b;
		bool was = good;

		base64_init(&b);
		took = base64_run(&b, (const uint8_t *)text, cut, out, &made);
		*len = made;
		if (took == cut) {
			took += base64_run(&b, (const uint8_t *)text + cut,
					   n - cut, out + made, &made);
			*len += made;
		}
		good = took == n && base64_complete(&b);
		if (cut > 0)
			ck_assert_int_eq(good, was);
	}
	return good;
}

START_TEST(decodes_what_was_encoded)
{
	uint8_t in[200], out[300];
	char text[300];
	uint64_t seed = 5;
	size_t len;

	for (size_t n = 0; n < sizeof(in); n++) {
		for (size_t i = 0; i < n; i++)
			in[i] = (uint8_t)test_random(&seed);
		test_base64(in, n, text);
		ck_assert(decodes(text, out, &len));
		ck_assert_uint_eq(len, n);
		if (n > 0)
			ck_assert_mem_eq(in, out, n);
	}
}
END_TEST

/* RFC 4648, section 10. */
START_TEST(decodes_the_published_examples)
{
	static const char *const pairs[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	uint8_t out[16];
	size_t len;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		ck_assert(decodes(pairs[i][1], out, &len));
		ck_assert_uint_eq(len, strlen(pairs[i][0]));
		if (len > 0)
			ck_assert_mem_eq(out, pairs[i][0], len);
	}
}
END_TEST

START_TEST(refuses_what_is_not_base64)
{
	static const char *const bad[] = {
		"A",	 "AA",	     "AAA",   "AAAAA",	"AA=",	 "AA=A",
		"=",	 "A===",     "====",  "AAAA=",	"AA==A", "AA===",
		"AAA==", "AA==AAAA", "AA AA", "AAAA\n", "AA-_",	 "AB==",
		"AAB=",	 "AA\x80=",  "AAA.",  "AA*A",
	};
	uint8_t out[16];
	size_t len;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!decodes(bad[i], out, &len), "took %s", bad[i]);
}
END_TEST

Suite *suite_base64(void)
{
	Suite *s = suite_create("base64");
	TCase *tc = tcase_create("base64");

	tcase_add_test(tc, decodes_what_was_encoded);
	tcase_add_test(tc, decodes_the_published_examples);
	tcase_add_test(tc, refuses_what_is_not_base64);
	suite_add_tcase(s, tc);
	return s;
}
