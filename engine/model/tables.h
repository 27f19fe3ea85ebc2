/* The two measured tables of an embedder: thresholds and quality.
 *
 * Threads: read-only. Both need a file that has the table (embed_open sees to
 * it).
 */
#ifndef FACEGATE_TABLES_H
#define FACEGATE_TABLES_H

#include "model/model.h"

/* Score cut for a false match rate in (0, 1): linear in log(rate) between two
 * entries, clamped to the ends. */
float tables_cut(const struct model *m, double fmr);
/* The inverse: the false match rate a cut stands for. Above the last entry's
 * cut it is that entry's, and the true one at most that; below the first's it
 * is unknown, NaN. */
double tables_fmr(const struct model *m, float cut);

/* Percent (0 to 100) of the reference pictures with a shorter embedding:
 * linear between two entries, clamped to the ends. NaN counts as shortest. */
float tables_quality(const struct model *m, float length);

#endif
