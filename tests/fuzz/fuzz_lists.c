/* libFuzzer entry for the files that the command line tool reads: who is to be
 * enrolled, the report of an enrolment, pairs, errata, attributes, crops, lines
 * of an export. The first byte chooses which. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulk.h"
#include "errata.h"
#include "fuzz.h"
#include "groups.h"
#include "pairs.h"
#include "personrecord.h"
#include "ppm.h"
#include "report.h"

static void csv(const char *path)
{
	struct bulk_plan plan = { NULL, 0, 0 };
	struct errinfo err;

	err_clear(&err);
	if (bulkplan_csv(&plan, path, &err) == ST_OK)
		for (size_t i = 0; i < plan.count; i++)
			fuzz_check(plan.items[i].person[0] != '\0' &&
				   plan.items[i].picture[0] != '\0');
	bulk_free(&plan);
}

/* What is added is found by the next run, whatever was there before. */
static void report(const char *path)
{
	struct report *r = NULL;
	struct errinfo err;
	int64_t made;

	err_clear(&err);
	fuzz_check(report_open(&r, path, "gate", &err) == ST_OK);
	fuzz_check(report_write(r, "anna", "a.jpg", ST_OK, 7, &err) == ST_OK);
	report_close(r);
	fuzz_check(report_open(&r, path, "gate", &err) == ST_OK);
	fuzz_check(report_done(r, "anna", "a.jpg", &made) && made == 7);
	report_close(r);
}

static void pairs(const char *path)
{
	struct pair_list list;
	struct errinfo err;

	err_clear(&err);
	if (pairs_read(path, &list, &err) == ST_OK)
		for (size_t i = 0; i < list.pair_count; i++)
			fuzz_check(list.pairs[i].a < list.picture_count &&
				   list.pairs[i].b < list.picture_count &&
				   list.pairs[i].fold < 10);
	pairs_free(&list);
}

static const struct pair_list *known(void)
{
	static struct pair_picture pictures[] = { { "Anna", 1, 0 },
						  { "Anna", 2, 0 },
						  { "Bert", 1, 1 },
						  { "Carl_May", 3, 2 } };
	static const struct pair_list list = { pictures, 4, NULL, 0 };

	return &list;
}

static void errata(const char *path)
{
	struct errata found;
	struct errinfo err;

	err_clear(&err);
	if (errata_read(path, known(), &found, &err) == ST_OK)
		for (size_t i = 0; i < known()->picture_count; i++) {
			bool skip[4] = { false };

			(void)errata_mark(&found, i, skip);
		}
	errata_free(&found);
}

static void groups(const char *path)
{
	struct groups found;
	struct errinfo err;

	err_clear(&err);
	if (groups_read(path, known(), &found, &err) == ST_OK)
		fuzz_check(found.known <= known()->picture_count);
	groups_free(&found);
}

static void crop(const char *path)
{
	uint8_t rgb[8 * 8 * 3];
	struct errinfo err;

	err_clear(&err);
	(void)!ppm_read(path, 8, rgb, &err);
}

/* What is taken fits the store, and no score of it is more than 1. */
static void record(const char *path)
{
	struct personrecord r;
	struct errinfo err;
	char line[4096];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(line, 1, sizeof(line), f) : 0;
	double squares = 0;

	if (f)
		fclose(f);
	err_clear(&err);
	if (personrecord_read(line, n, &r, &err) != ST_OK) {
		fuzz_check(err.status == ST_BAD_EXPORT);
		return;
	}
	if (!r.is_template) {
		fuzz_check(r.person.id[0] != '\0' && r.person.created_ms > 0);
		return;
	}
	for (int i = 0; i < TEMPLATE_DIM; i++)
		squares += r.t.v[i] * r.t.v[i];
	fuzz_check(squares * (double)r.t.scale * (double)r.t.scale < 1.001 &&
		   r.about.model_id[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const all[])(const char *path) = { csv,	 report, pairs,
							 errata, groups, crop,
							 record };

	if (size > 0)
		all[data[0] % 7](fuzz_file(data + 1, size - 1));
	return 0;
}
