#include "face/nms.h"

#include <assert.h>
#include <stdbool.h>

/* A total order: candidates of equal score in the order of their place, so
 * that it does not matter in which strip, or on which level first, they were
 * found. */
static bool before(const struct candidate *c, uint16_t a, uint16_t b)
{
	if (c[a].score > c[b].score || c[a].score < c[b].score)
		return c[a].score > c[b].score;
	if (c[a].y1 < c[b].y1 || c[a].y1 > c[b].y1)
		return c[a].y1 < c[b].y1;
	if (c[a].x1 < c[b].x1 || c[a].x1 > c[b].x1)
		return c[a].x1 < c[b].x1;
	if (c[a].x2 < c[b].x2 || c[a].x2 > c[b].x2)
		return c[a].x2 < c[b].x2;
	return a < b;
}

/* Shell sort on a total order, so the result does not depend on the method
 * (qsort may allocate, and is not stable). */
static void sort_by_score(const struct candidate *c, uint16_t *order, size_t n)
{
	static const size_t gaps[] = { 1750, 701, 301, 132, 57, 23, 10, 4, 1 };

	for (size_t i = 0; i < n; i++)
		order[i] = (uint16_t)i;
	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
		size_t gap = gaps[g];

		for (size_t i = gap; i < n; i++) {
			uint16_t v = order[i];
			size_t j = i;

			while (j >= gap) {
				uint16_t o = order[j - gap];

				if (before(c, o, v))
					break;
				order[j] = o;
				j -= gap;
			}
			order[j] = v;
		}
	}
}

static float overlap(const struct candidate *a, const struct candidate *b,
		     enum nms_measure measure)
{
	float extra = measure == NMS_MINIMUM ? 1.0f : 0.0f;
	float w = (a->x2 < b->x2 ? a->x2 : b->x2) -
		  (a->x1 > b->x1 ? a->x1 : b->x1) + extra;
	float h = (a->y2 < b->y2 ? a->y2 : b->y2) -
		  (a->y1 > b->y1 ? a->y1 : b->y1) + extra;
	float area_a = (a->x2 - a->x1 + extra) * (a->y2 - a->y1 + extra);
	float area_b = (b->x2 - b->x1 + extra) * (b->y2 - b->y1 + extra);
	float shared;

	if (w <= 0.0f || h <= 0.0f)
		return 0.0f;
	shared = w * h;
	if (measure == NMS_MINIMUM)
		return shared / (area_a < area_b ? area_a : area_b);
	return shared / (area_a + area_b - shared);
}

/* Moves candidates into the order of kept[0 .. n), in place: follows the
 * chains of the permutation by swapping. kept is used up. */
static void apply_order(struct candidate *c, uint16_t *kept, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t from = kept[i];
		struct candidate t;

		/* Earlier swaps may have moved what was at `from`. */
		while (from < i)
			from = kept[from];
		t = c[i];
		c[i] = c[from];
		c[from] = t;
		kept[i] = (uint16_t)from;
	}
}

size_t nms_run(struct candidate *c, size_t n, float limit,
	       enum nms_measure measure, uint16_t *order)
{
	size_t kept = 0;

	assert(n <= UINT16_MAX);
	sort_by_score(c, order, n);
	for (size_t i = 0; i < n; i++) {
		bool keep = true;

		for (size_t k = 0; k < kept && keep; k++)
			keep = !(overlap(&c[order[k]], &c[order[i]], measure) >
				 limit);
		if (keep)
			order[kept++] = order[i];
	}
	apply_order(c, order, kept);
	return kept;
}
