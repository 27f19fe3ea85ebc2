#include "model/tables.h"

#include <math.h>

float tables_cut(const struct model *m, double fmr)
{
	const struct fgm_cut *c = m->cuts;
	unsigned n = m->header->cut_count;

	if (fmr >= (double)c[0].fmr)
		return c[0].score;
	for (unsigned i = 1; i < n; i++) {
		double hi = log((double)c[i - 1].fmr);
		double lo = log((double)c[i].fmr);

		if (fmr >= (double)c[i].fmr)
			return c[i].score +
			       (c[i - 1].score - c[i].score) *
				       (float)((log(fmr) - lo) / (hi - lo));
	}
	return c[n - 1].score;
}

double tables_fmr(const struct model *m, float cut)
{
	const struct fgm_cut *c = m->cuts;
	unsigned n = m->header->cut_count;

	if (!(cut >= c[0].score))
		return (double)NAN;
	for (unsigned i = 1; i < n; i++) {
		double hi = log((double)c[i - 1].fmr);
		double lo = log((double)c[i].fmr);
		double span = (double)(c[i].score - c[i - 1].score);

		if (cut <= c[i].score && span > 0)
			return exp(hi + (lo - hi) *
						(double)(cut - c[i - 1].score) /
						span);
	}
	return (double)c[n - 1].fmr;
}

float tables_quality(const struct model *m, float length)
{
	const struct fgm_quality *q = m->quality;
	unsigned n = m->header->quality_count;

	if (!(length > q[0].length))
		return 100.0f * q[0].share;
	for (unsigned i = 1; i < n; i++) {
		float span = q[i].length - q[i - 1].length;
		float at = (length - q[i - 1].length) / span;

		if (length < q[i].length)
			return 100.0f * (q[i - 1].share +
					 (q[i].share - q[i - 1].share) * at);
	}
	return 100.0f * q[n - 1].share;
}
