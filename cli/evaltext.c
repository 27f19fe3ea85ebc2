/* evaluate's report as text. */
#include <stdint.h>
#include <stdio.h>

#include "cli.h"
#include "evaluate.h"

static long long integer(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void print_open_set(const json_t *o)
{
	if (json_is_null(json_object_get(o, "rank1_dir_mean")))
		printf("open set           too few pictures\n");
	else
		printf("open set           %.2f %% +- %.2f found at rank 1, "
		       "FAR %g, gallery of %lld\n",
		       number(o, "rank1_dir_mean"), number(o, "rank1_dir_std"),
		       number(o, "far"), integer(o, "gallery"));
}

/* One line a measure and rate: FNMR as more pictures are left out. */
static void print_rejects(const json_t *o)
{
	const char *measure, *rate, *step;
	json_t *rates, *curve, *v;
	bool head = true;

	json_object_foreach((json_t *)(uintptr_t)o, measure, rates)
		json_object_foreach(rates, rate, curve)
	{
		if (head) {
			printf("left out, %%                  ");
			json_object_foreach(curve, step, v) printf("%7s", step);
			putchar('\n');
			head = false;
		}
		printf("  FNMR at %s, %-14s", rate, measure);
		json_object_foreach(curve, step, v)
		{
			if (json_is_null(v))
				printf("      -");
			else
				printf("%7.2f", json_number_value(v));
		}
		putchar('\n');
	}
}

static void print_groups(const json_t *o)
{
	const char *name;
	json_t *v;

	if (!json_is_object(o))
		return;
	puts("group            pictures   FNMR %      FMR %");
	json_object_foreach((json_t *)(uintptr_t)o, name, v)
	{
		printf("  %-14s %8lld", name, integer(v, "pictures"));
		if (json_is_null(json_object_get(v, "fnmr")))
			printf("        -");
		else
			printf(" %8.2f", number(v, "fnmr"));
		if (json_is_null(json_object_get(v, "fmr")))
			printf("          -\n");
		else
			printf(" %10.5f\n", number(v, "fmr"));
	}
}

void evaluate_print(const json_t *o)
{
	const json_t *cuts = json_object_get(o, "threshold_at_fmr");
	const char *key;
	json_t *v;

	printf("model              %s, %lld bytes, %s alignment\n",
	       text(o, "model"), integer(o, "bytes"), text(o, "align"));
	printf("pictures           %lld, %lld without a face\n",
	       integer(o, "pictures"), integer(o, "no_face"));
	printf("accuracy           %.2f %% +- %.2f, threshold %.4f\n",
	       number(o, "accuracy"), number(o, "accuracy_std"),
	       number(o, "threshold"));
	json_object_foreach(json_object_get(o, "tar_at_far"), key, v)
		printf("TAR at FAR %-8s%.2f %%\n", key, json_number_value(v));
	json_object_foreach(json_object_get(o, "fnmr_at_fmr"), key, v)
	{
		if (json_is_null(v))
			printf("FNMR at FMR %-7stoo few comparisons\n", key);
		else
			printf("FNMR at FMR %-7s%.2f %%, by person %.2f %%, "
			       "threshold %.4f\n",
			       key, json_number_value(v),
			       number(json_object_get(o, "fnmr_by_person"),
				      key),
			       number(cuts, key));
	}
	if (cuts != NULL) {
		print_open_set(json_object_get(o, "open_set"));
		print_rejects(json_object_get(o, "error_vs_reject"));
		print_groups(json_object_get(o, "groups"));
	}
	printf("pool peak          %lld of %lld bytes\n",
	       integer(o, "pool_peak_bytes"), integer(o, "pool_bytes"));
	json_object_foreach(json_object_get(o, "ms"), key, v)
		printf("%-10s         %.2f ms median, %.2f ms mean\n", key,
		       number(v, "median"), number(v, "mean"));
}
