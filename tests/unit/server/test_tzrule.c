/* Time zones: the C library, which may only be asked by one thread, is the
 * judge. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tzrule.h"

Suite *suite_tzrule(void);

static const char *const rules[] = {
	"UTC0",
	"CET-1CEST,M3.5.0,M10.5.0/3",
	"EST5EDT,M3.2.0,M11.1.0",
	"AEST-10AEDT,M10.1.0,M4.1.0/3",
	"IST-5:30",
	"<+0545>-5:45",
	"<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
	"IST-1GMT0,M10.5.0,M3.5.0/1",
	"EET-2EEST,M3.4.4/50,M10.4.4/50",
	"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
	"AAA3BBB,J60/2,J300/2",
	"AAA-3BBB,59/2,300/2:30:15",
};

static void same_as_libc(const char *tz, const struct tzrule *r)
{
	/* 2024 to 2031, every 3 hours and a bit. */
	setenv("TZ", tz, 1);
	tzset();
	for (time_t t = 1704067200; t < 1924992000; t += 10799) {
		struct tm tm;

		localtime_r(&t, &tm);
		ck_assert_msg(tm.tm_gmtoff == tzrule_offset(r, t),
			      "%s at %lld: %ld, not %d", tz, (long long)t,
			      tm.tm_gmtoff, tzrule_offset(r, t));
	}
}

START_TEST(a_rule_gives_the_time_of_the_c_library)
{
	struct tzrule r;

	ck_assert(tzrule_parse(rules[_i], &r));
	same_as_libc(rules[_i], &r);
}
END_TEST

START_TEST(a_zone_of_the_database_gives_the_time_of_the_c_library)
{
	static const char *const zones[] = {
		"Europe/Berlin",    "America/New_York",	 "Asia/Kolkata",
		"Australia/Sydney", "America/Sao_Paulo", "Europe/Dublin",
	};
	struct tzrule r;

	ck_assert(tzrule_load("UTC", &r));
	same_as_libc("UTC0", &r);
	/* A machine need not have the database; then the name is refused. */
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		char path[96];
		bool there;

		(void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s",
			       zones[i]);
		there = access(path, R_OK) == 0;
		ck_assert_int_eq(tzrule_load(zones[i], &r), there);
		if (there)
			same_as_libc(zones[i], &r);
	}
}
END_TEST

START_TEST(what_is_no_zone_is_refused)
{
	static const char *const wrong[] = {
		"",
		"X",
		"UT",
		"CET-1CEST",
		"CET-25",
		"CET-1:60",
		"CET-1CEST,M3.5.0",
		"CET-1CEST,M13.5.0,M10.5.0",
		"CET-1CEST,M3.6.0,M10.5.0",
		"CET-1CEST,M3.5.7,M10.5.0",
		"CET-1CEST,M3.5.0,M10.5.0/168",
		"CET-1CEST,M3.5.0,M10.5.0 ",
		"CET-1CEST,J0,J300",
		"CET-1CEST,366,1",
		"<CET-1",
		"<>-1",
		"../../etc/passwd",
		"/etc/localtime",
		"Europe/Nowhere",
		"Europe",
		"CET-99999999999999999999",
	};
	struct tzrule r;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!tzrule_load(wrong[i], &r), "\"%s\"", wrong[i]);
}
END_TEST

Suite *suite_tzrule(void)
{
	Suite *s = suite_create("tzrule");
	TCase *tc = tcase_create("tzrule");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_rule_gives_the_time_of_the_c_library, 0,
			    (int)(sizeof(rules) / sizeof(rules[0])));
	tcase_add_test(tc,
		       a_zone_of_the_database_gives_the_time_of_the_c_library);
	tcase_add_test(tc, what_is_no_zone_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
