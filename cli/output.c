/* What leaves the program: JSON, and errors on stderr. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

json_t *cli_text(const char *text)
{
	json_t *o = json_string(text);
	char *copy;

	if (o != NULL)
		return o;
	/* Not UTF-8: JSON cannot hold it, so its odd bytes are shown as ?. */
	copy = strdup(text);
	if (copy == NULL)
		return NULL;
	for (char *c = copy; *c != '\0'; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	o = json_string(copy);
	free(copy);
	return o;
}

json_t *cli_face_json(const struct face *f)
{
	json_t *o = jsonvalue_face(f, 2, 5);

	json_object_set_new(o, "inter_eye_px",
			    jsonvalue_real((double)f->inter_eye_px, 2));
	return o;
}

void cli_add_cost(json_t *o, const struct engine *e, unsigned slot)
{
	struct engine_receipt r;

	engine_receipt(e, slot, &r);
	json_object_set_new(
		o, "ms",
		json_pack("{s:o, s:o, s:o, s:o}", "decode",
			  jsonvalue_real((double)r.decode_us / 1e3, 3),
			  "detect",
			  jsonvalue_real((double)r.detect_us / 1e3, 3), "align",
			  jsonvalue_real((double)r.align_us / 1e3, 3), "embed",
			  jsonvalue_real((double)r.embed_us / 1e3, 3)));
	json_object_set_new(o, "pool_peak_bytes",
			    json_integer((json_int_t)r.pool_peak_bytes));
}

void cli_rate_name(double rate, char out[CLI_RATE_MAX])
{
	int exponent = 0;

	if (!(rate > 0) || !isfinite(rate)) {
		snprintf(out, CLI_RATE_MAX, "%g", rate);
		return;
	}
	/* The small term forgives rates that were rounded to float. */
	exponent = (int)floor(log10(rate) + 1e-6);
	snprintf(out, CLI_RATE_MAX, "%.3ge%d", rate / pow(10.0, exponent),
		 exponent);
}

void cli_time(int64_t unix_ms, char out[CLI_TIME_MAX])
{
	time_t s = (time_t)(unix_ms / 1000);
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(out, CLI_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void cli_print_json(json_t *object)
{
	/* Nine digits bring a float back bit for bit. */
	json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(object);
}

bool cli_on_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term != NULL &&
	       strcmp(term, "dumb") != 0;
}

int cli_fail(const struct errinfo *err, const char *what)
{
	const char *no_color = getenv("NO_COLOR");
	bool red = cli_on_terminal() && (no_color == NULL || *no_color == '\0');

	fprintf(stderr, "%sfacegate:%s %s%s%s (%s)\n", red ? "\033[1;31m" : "",
		red ? "\033[0m" : "", what ? what : "", what ? ": " : "",
		err->text[0] ? err->text : status_title(err->status),
		status_code(err->status));
	return EXIT_ERROR;
}
