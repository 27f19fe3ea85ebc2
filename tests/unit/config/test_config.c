/* Every key, every way in, and every refusal with its one line. */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

Suite *suite_config(void);

static struct config cfg;
static struct errinfo err;
static char path[] = "/tmp/facegate-config-XXXXXX";

static void setup(void)
{
	int fd;

	memcpy(path + strlen(path) - 6, "XXXXXX", 6);
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	cfg_defaults(&cfg);
	err_clear(&err);
}

static void teardown(void)
{
	unlink(path);
}

static enum status read_bytes(const char *bytes, size_t length)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(bytes, 1, length, f), length);
	ck_assert_int_eq(fclose(f), 0);
	return cfg_read_file(&cfg, path, &err);
}

static enum status read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

static void assert_error(enum status st, const char *part)
{
	ck_assert_int_eq(st, ST_BAD_CONFIG);
	ck_assert_int_eq(err.status, ST_BAD_CONFIG);
	ck_assert_msg(strstr(err.text, part) != NULL, "\"%s\" not in \"%s\"",
		      part, err.text);
	ck_assert_ptr_null(strchr(err.text, '\n'));
}

START_TEST(defaults_are_the_documented_ones)
{
	ck_assert_str_eq(cfg.listen, "127.0.0.1:8080");
	ck_assert_str_eq(cfg.embedder, "accurate");
	ck_assert_int_eq(cfg.workers, 2);
	ck_assert_int_eq(cfg.pool_kib, 2048);
	ck_assert(!cfg.jpeg_strict);
	ck_assert_double_eq(cfg.target_fmr, 1e-4);
	ck_assert_int_eq(cfg_check(&cfg, &err), ST_OK);
}
END_TEST

static const struct {
	const char *key, *low, *high, *below, *above;
} limits[] = {
	{ "workers", "1", "16", "0", "17" },
	{ "pool_kib", "256", "65536", "255", "65537" },
	{ "queue_max", "0", "64", "-1", "65" },
	{ "gallery_max", "1", "1000000", "0", "1000001" },
	{ "body_max_kib", "16", "65536", "15", "65537" },
	{ "jpeg_max_width_px", "16", "65500", "15", "65501" },
	{ "jpeg_max_megapixels", "1", "400", "0", "401" },
	{ "jpeg_max_scans", "1", "1000", "0", "1001" },
	{ "min_face_px", "0", "1000", "-1", "1001" },
	{ "min_inter_eye_px", "0", "1000", "-1", "1001" },
	{ "target_fmr", "1e-6", "1e-2", "9e-7", "0.011" },
	{ "connections_max", "4", "1024", "3", "1025" },
	{ "connections_per_ip", "0", "1024", "-1", "1025" },
	{ "request_timeout_ms", "500", "600000", "499", "600001" },
	{ "db_cache_kib", "64", "65536", "63", "65537" },
	{ "log_max_rows", "100", "100000000", "99", "100000001" },
	{ "event_ttl_s", "1", "300", "0", "301" },
	{ "events_max", "1", "100000", "0", "100001" },
	{ "event_timeout_ms", "100", "60000", "99", "60001" },
	{ "mqtt_port", "1", "65535", "0", "65536" },
};

START_TEST(limits_belong_to_the_range_and_what_is_beyond_does_not)
{
	char range[64];

	ck_assert_int_eq(cfg_set(&cfg, limits[_i].key, limits[_i].low, &err),
			 ST_OK);
	ck_assert_int_eq(cfg_set(&cfg, limits[_i].key, limits[_i].high, &err),
			 ST_OK);
	/* The line names the key, the value and the range. */
	if (strchr(limits[_i].low, 'e') == NULL)
		snprintf(range, sizeof(range), "%s to %s", limits[_i].low,
			 limits[_i].high);
	else
		snprintf(range, sizeof(range), "1e-06 to 0.01");
	assert_error(cfg_set(&cfg, limits[_i].key, limits[_i].below, &err),
		     range);
	ck_assert_ptr_nonnull(strstr(err.text, limits[_i].key));
	ck_assert_ptr_nonnull(strstr(err.text, limits[_i].below));
	err_clear(&err);
	assert_error(cfg_set(&cfg, limits[_i].key, limits[_i].above, &err),
		     limits[_i].above);
	err_clear(&err);
	assert_error(
		cfg_set(&cfg, limits[_i].key, "99999999999999999999999", &err),
		"is outside");
}
END_TEST

static const struct {
	const char *key, *value, *part;
} malformed[] = {
	{ "workers", "", "workers: \"\" is not a whole number" },
	{ "workers", "two", "workers: \"two\" is not a whole number" },
	{ "workers", "2x", "2x" },
	{ "workers", " 2", "not a whole number" },
	{ "workers", "2.0", "not a whole number" },
	{ "workers", "0x2", "not a whole number" },
	{ "target_fmr", "nan", "target_fmr: \"nan\" is not a number" },
	{ "target_fmr", "inf", "not a number" },
	{ "target_fmr", "", "not a number" },
	{ "target_fmr", "1e-4x", "not a number" },
	{ "jpeg_strict", "yes", "jpeg_strict: \"yes\" is not true or false" },
	{ "jpeg_strict", "TRUE", "not true or false" },
	{ "listen", "", "listen: must not be empty" },
	{ "data_dir", "a\nb", "data_dir: byte 2 is a control character" },
	{ "data_dir", " a", "data_dir: \" a\" begins or ends with a space" },
	{ "data_dir", "a ", "data_dir: \"a \" begins or ends with a space" },
	{ "wrokers", "2", "unknown key \"wrokers\"" },
	{ "", "2", "unknown key \"\"" },
};

START_TEST(malformed_values_are_named)
{
	assert_error(
		cfg_set(&cfg, malformed[_i].key, malformed[_i].value, &err),
		malformed[_i].part);
}
END_TEST

START_TEST(text_as_long_as_the_field_is_refused)
{
	char value[CFG_TEXT_MAX + 1];

	memset(value, 'd', sizeof(value));
	value[CFG_TEXT_MAX - 1] = '\0';
	ck_assert_int_eq(cfg_set(&cfg, "data_dir", value, &err), ST_OK);
	ck_assert_str_eq(cfg.data_dir, value);
	value[CFG_TEXT_MAX - 1] = 'd';
	value[CFG_TEXT_MAX] = '\0';
	assert_error(cfg_set(&cfg, "data_dir", value, &err),
		     "is longer than 255 bytes");
	ck_assert_uint_eq(strlen(cfg.data_dir), CFG_TEXT_MAX - 1);
}
END_TEST

START_TEST(file_sets_keys_and_skips_comments)
{
	ck_assert_int_eq(read_text("# comment\n\n  \t\nworkers = 3\n"
				   "\tpool_kib=4096  \r\n"
				   "data_dir = /var/lib/a b = c\n"
				   "jpeg_strict = true\ntarget_fmr = 1e-3"),
			 ST_OK);
	ck_assert_int_eq(cfg.workers, 3);
	ck_assert_int_eq(cfg.pool_kib, 4096);
	ck_assert_str_eq(cfg.data_dir, "/var/lib/a b = c");
	ck_assert(cfg.jpeg_strict);
	ck_assert_double_eq(cfg.target_fmr, 1e-3);
}
END_TEST

START_TEST(empty_file_changes_nothing)
{
	struct config before = cfg;

	ck_assert_int_eq(read_text(""), ST_OK);
	ck_assert_mem_eq(&cfg, &before, sizeof(cfg));
}
END_TEST

static const struct {
	const char *text, *part;
} bad_files[] = {
	{ "workers = 2\nwrokers = 2\n", "line 2: unknown key \"wrokers\"" },
	{ "workers\n", "line 1: \"workers\" is not of the form key = value" },
	{ "= 2\n", "line 1: unknown key \"\"" },
	{ "workers =\n", "line 1: workers: \"\" is not a whole number" },
	{ "\n\nworkers = 99", "line 3: workers: 99 is outside 1 to 16" },
	{ "workers = 2\n#\nworkers = 3\n", "line 3: workers is already set in "
					   "line 1" },
	{ "workers = 2 # two\n", "\"2 # two\" is not a whole number" },
	{ "[server]\n", "line 1: \"[server]\" is not of the form" },
};

START_TEST(file_errors_name_the_line)
{
	assert_error(read_text(bad_files[_i].text), bad_files[_i].part);
}
END_TEST

START_TEST(line_longer_than_the_buffer_is_refused)
{
	static char text[70000];

	memset(text, '#', sizeof(text) - 2);
	text[sizeof(text) - 2] = '\n';
	assert_error(read_text(text), "line 1: longer than");
}
END_TEST

START_TEST(binary_file_is_refused)
{
	static const char bytes[] = "\x89PNG\0\r\n\0\0workers = 2\n";

	assert_error(read_bytes(bytes, sizeof(bytes) - 1), "line 1: ");
}
END_TEST

START_TEST(missing_file_and_folder_are_refused)
{
	assert_error(cfg_read_file(&cfg, "/nonexistent/facegate.conf", &err),
		     "/nonexistent/facegate.conf: No such file");
	err_clear(&err);
	assert_error(cfg_read_file(&cfg, "/tmp", &err), "cannot be read");
}
END_TEST

START_TEST(environment_sets_keys)
{
	static char one[] = "FACEGATE_LISTEN=0.0.0.0:0";
	static char two[] = "FACEGATE_POOL_KIB=1024";
	static char three[] = "FACEGATE_ISA=scalar";
	static char four[] = "FACEGATE_CONFIG=/etc/facegate.conf";
	static char five[] = "FACEGATED=/usr/bin/facegated";
	static char six[] = "HOME=/root";
	static char seven[] = "FACEGATE_SERVER=gate:8080";
	static char eight[] = "FACEGATE_KEY=fg_1";
	char *list[] = { one, two, three, four, five, six, seven, eight, NULL };

	ck_assert_int_eq(cfg_read_env(&cfg, list, &err), ST_OK);
	ck_assert_str_eq(cfg.listen, "0.0.0.0:0");
	ck_assert_int_eq(cfg.pool_kib, 1024);
}
END_TEST

START_TEST(environment_errors_name_the_variable)
{
	static char unknown[] = "FACEGATE_POOL=1";
	static char bad[] = "FACEGATE_WORKERS=many";
	static char endless[300] = "FACEGATE_WORKERS_";
	char *list[] = { unknown, NULL };

	assert_error(cfg_read_env(&cfg, list, &err),
		     "FACEGATE_POOL: unknown key \"pool\"");
	err_clear(&err);
	list[0] = bad;
	assert_error(cfg_read_env(&cfg, list, &err),
		     "FACEGATE_WORKERS: workers: \"many\" is not a whole");
	err_clear(&err);
	memset(endless + strlen(endless), 'X', 250);
	endless[200] = '=';
	list[0] = endless;
	assert_error(cfg_read_env(&cfg, list, &err), "unknown key \"workers_x");
}
END_TEST

START_TEST(later_source_wins)
{
	static char env[] = "FACEGATE_WORKERS=4";
	char *list[] = { env, NULL };

	ck_assert_int_eq(read_text("workers = 3\npool_kib = 4096\n"), ST_OK);
	ck_assert_int_eq(cfg_read_env(&cfg, list, &err), ST_OK);
	ck_assert_int_eq(cfg_set(&cfg, "queue_max", "1", &err), ST_OK);
	ck_assert_int_eq(cfg.workers, 4);
	ck_assert_int_eq(cfg.pool_kib, 4096);
	ck_assert_int_eq(cfg.queue_max, 1);
}
END_TEST

static const struct {
	const char *key, *value, *part;
} no_effect[] = {
	{ "log_level", "loud", "log_level: \"loud\" is not error, warn, info" },
	{ "embedder", "../x", "embedder: \"../x\" is not a name" },
	{ "webhook_url", "ftp://x", "webhook_url: begins with neither" },
	{ "webhook_url", "https://x", "go together" },
	{ "webhook_secret_file", "/x", "go together" },
	{ "mqtt_password_file", "/x", "without mqtt_user" },
	{ "mqtt_ca_file", "/x", "without mqtt_tls" },
	{ "mqtt_topic", "a/#", "mqtt_topic: must not have" },
	{ "connections_per_ip", "65",
	  "connections_per_ip: 65 cannot take "
	  "effect above connections_max, 64" },
	{ "connections_max", "4",
	  "queue_max: 8 cannot take effect above "
	  "connections_max, 4" },
};

START_TEST(values_that_cannot_take_effect_are_named)
{
	ck_assert_int_eq(
		cfg_set(&cfg, no_effect[_i].key, no_effect[_i].value, &err),
		ST_OK);
	assert_error(cfg_check(&cfg, &err), no_effect[_i].part);
}
END_TEST

START_TEST(what_is_printed_reads_back_the_same)
{
	struct config before;
	FILE *f;

	ck_assert_int_eq(cfg_set(&cfg, "target_fmr", "1.23456789e-5", &err),
			 ST_OK);
	ck_assert_int_eq(cfg_set(&cfg, "jpeg_strict", "true", &err), ST_OK);
	ck_assert_int_eq(cfg_set(&cfg, "gallery_max", "1000000", &err), ST_OK);
	before = cfg;
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	cfg_print(&cfg, f);
	ck_assert_int_eq(fclose(f), 0);
	cfg_defaults(&cfg);
	ck_assert_int_eq(cfg_read_file(&cfg, path, &err), ST_OK);
	ck_assert_mem_eq(&cfg, &before, sizeof(cfg));
}
END_TEST

/* facegated --print-sample writes it. */
START_TEST(committed_sample_is_what_the_table_prints)
{
	static const char sample[] = FACEGATE_SOURCE_DIR
		"/config/facegate.conf";
	static char want[20000], have[20000];
	FILE *f = fopen(path, "w+");
	size_t n;

	ck_assert_ptr_nonnull(f);
	cfg_print_sample(f);
	rewind(f);
	n = fread(want, 1, sizeof(want) - 1, f);
	ck_assert_uint_gt(n, 0);
	fclose(f);
	f = fopen(sample, "r");
	ck_assert_ptr_nonnull(f);
	n = fread(have, 1, sizeof(have) - 1, f);
	ck_assert_uint_gt(n, 0);
	fclose(f);
	ck_assert_str_eq(want, have);
}
END_TEST

/* Each "# key = value" of the sample is a key with its default. */
START_TEST(uncommented_sample_is_the_default)
{
	static const char sample[] = FACEGATE_SOURCE_DIR
		"/config/facegate.conf";
	FILE *in = fopen(sample, "r"), *out = fopen(path, "w");
	char line[512], key[64];
	struct config before = cfg;
	unsigned found = 0;

	ck_assert_ptr_nonnull(in);
	ck_assert_ptr_nonnull(out);
	while (fgets(line, sizeof(line), in) != NULL)
		if (sscanf(line, "# %63[a-z_] = ", key) == 1 &&
		    strstr(line, " = ") != NULL && cfg_is_key(key)) {
			fputs(line + 2, out);
			found++;
		}
	fclose(in);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_uint_ge(found, 22);
	memset(&cfg, 0, sizeof(cfg));
	ck_assert_int_eq(cfg_read_file(&cfg, path, &err), ST_OK);
	ck_assert_mem_eq(&cfg, &before, sizeof(cfg));
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof(table[0])))

Suite *suite_config(void)
{
	Suite *suite = suite_create("config");
	TCase *values = tcase_create("values");
	TCase *sources = tcase_create("sources");
	TCase *printed = tcase_create("printed");

	tcase_add_checked_fixture(values, setup, teardown);
	tcase_add_test(values, defaults_are_the_documented_ones);
	tcase_add_loop_test(
		values, limits_belong_to_the_range_and_what_is_beyond_does_not,
		0, COUNT(limits));
	tcase_add_loop_test(values, malformed_values_are_named, 0,
			    COUNT(malformed));
	tcase_add_test(values, text_as_long_as_the_field_is_refused);
	tcase_add_loop_test(values, values_that_cannot_take_effect_are_named, 0,
			    COUNT(no_effect));
	tcase_add_checked_fixture(sources, setup, teardown);
	tcase_add_test(sources, file_sets_keys_and_skips_comments);
	tcase_add_test(sources, empty_file_changes_nothing);
	tcase_add_loop_test(sources, file_errors_name_the_line, 0,
			    COUNT(bad_files));
	tcase_add_test(sources, line_longer_than_the_buffer_is_refused);
	tcase_add_test(sources, binary_file_is_refused);
	tcase_add_test(sources, missing_file_and_folder_are_refused);
	tcase_add_test(sources, environment_sets_keys);
	tcase_add_test(sources, environment_errors_name_the_variable);
	tcase_add_test(sources, later_source_wins);
	tcase_add_checked_fixture(printed, setup, teardown);
	tcase_add_test(printed, what_is_printed_reads_back_the_same);
	tcase_add_test(printed, committed_sample_is_what_the_table_prints);
	tcase_add_test(printed, uncommented_sample_is_the_default);
	suite_add_tcase(suite, values);
	suite_add_tcase(suite, sources);
	suite_add_tcase(suite, printed);
	return suite;
}
