/* Log lines: one write, one line, no matter what the values hold. stderr is
 * turned into a file for each test and put back after it. */
#include "runner.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define THREADS 4
#define LINES	200

Suite *suite_log(void);

static int saved_stderr;
static FILE *caught;
static char text[THREADS * LINES * 80];

static void catch_stderr(void)
{
	caught = tmpfile();
	ck_assert_ptr_nonnull(caught);
	saved_stderr = dup(STDERR_FILENO);
	ck_assert_int_ge(saved_stderr, 0);
	ck_assert_int_ge(dup2(fileno(caught), STDERR_FILENO), 0);
	log_set_level(LOG_INFO);
}

/* Ends the catching and leaves what was written in text. */
static void release_stderr(void)
{
	size_t n;

	ck_assert_int_ge(dup2(saved_stderr, STDERR_FILENO), 0);
	close(saved_stderr);
	rewind(caught);
	n = fread(text, 1, sizeof(text) - 1, caught);
	text[n] = '\0';
	fclose(caught);
}

START_TEST(line_has_time_level_event_and_values)
{
	unsigned year, month, day, hour, minute, second, ms;
	int used = 0;

	catch_stderr();
	log_line(LOG_WARN, "disk", "free_mib=%d", 7);
	release_stderr();
	ck_assert_int_eq(sscanf(text, "%4u-%2u-%2uT%2u:%2u:%2u.%3uZ %n", &year,
				&month, &day, &hour, &minute, &second, &ms,
				&used),
			 7);
	ck_assert_uint_ge(year, 2024);
	ck_assert_str_eq(text + used, "level=warn event=disk free_mib=7\n");
}
END_TEST

START_TEST(lines_below_the_level_are_dropped)
{
	catch_stderr();
	log_set_level(LOG_WARN);
	log_line(LOG_INFO, "hidden", "a=1");
	log_line(LOG_ERROR, "shown", "a=1");
	log_set_level(LOG_DEBUG);
	log_line(LOG_DEBUG, "detail", "a=1");
	release_stderr();
	ck_assert_ptr_null(strstr(text, "hidden"));
	ck_assert_ptr_nonnull(strstr(text, "event=shown"));
	ck_assert_ptr_nonnull(strstr(text, "event=detail"));
}
END_TEST

START_TEST(control_characters_cannot_fake_a_line)
{
	catch_stderr();
	log_line(LOG_INFO, "name", "v=\"%s\"", "a\nlevel=error\r\x1b[31m\x7f");
	release_stderr();
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	ck_assert_ptr_nonnull(strstr(text, "v=\"a level=error  [31m \"\n"));
}
END_TEST

START_TEST(long_lines_are_cut_and_ended)
{
	char value[5000];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	catch_stderr();
	log_line(LOG_INFO, "long", "v=%s", value);
	log_line(LOG_INFO, value, "v=%s", value);
	log_line(LOG_INFO, "next", "v=1");
	release_stderr();
	ck_assert_uint_le((size_t)(strchr(text, '\n') - text), 1023);
	ck_assert_ptr_nonnull(strstr(text, "xx\n"));
	ck_assert_ptr_nonnull(strstr(text, "event=next v=1\n"));
}
END_TEST

START_TEST(line_without_values_has_no_trailing_blank)
{
	const char *nothing = "";

	catch_stderr();
	log_line(LOG_INFO, "stopped", "%s", nothing);
	release_stderr();
	ck_assert_ptr_nonnull(strstr(text, " event=stopped\n"));
}
END_TEST

static void *write_lines(void *name)
{
	for (int i = 0; i < LINES; i++)
		log_line(LOG_INFO, name, "line=%03d end=1", i);
	return NULL;
}

START_TEST(threads_never_mix_their_lines)
{
	static char names[THREADS][8] = { "one", "two", "three", "four" };
	pthread_t threads[THREADS];
	unsigned lines = 0;
	char *rest = text;
	char *line;

	catch_stderr();
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines,
						names[i]),
				 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	release_stderr();
	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		const char *event = strstr(line, " level=info event=");

		ck_assert_ptr_eq(event,
				 line + strlen("2000-01-01T00:00:00.000Z"));
		ck_assert_str_eq(line + strlen(line) - 6, " end=1");
		lines++;
	}
	ck_assert_uint_eq(lines, THREADS * LINES);
}
END_TEST

Suite *suite_log(void)
{
	Suite *suite = suite_create("log");
	TCase *lines = tcase_create("lines");

	tcase_add_test(lines, line_has_time_level_event_and_values);
	tcase_add_test(lines, lines_below_the_level_are_dropped);
	tcase_add_test(lines, control_characters_cannot_fake_a_line);
	tcase_add_test(lines, long_lines_are_cut_and_ended);
	tcase_add_test(lines, line_without_values_has_no_trailing_blank);
	tcase_add_test(lines, threads_never_mix_their_lines);
	suite_add_tcase(suite, lines);
	return suite;
}
