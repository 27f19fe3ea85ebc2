#include "curves.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "quality.h"

typedef void write_fn(FILE *f, const struct evaluation *ev,
		      const struct score_histogram *h);

static void write_pictures(FILE *f, const struct evaluation *ev,
			   const struct score_histogram *h)
{
	(void)h;
	fputs("name,index,found,length,confidence,inter_eye_px,frontalness,"
	      "x,y,width,height,left_eye_x,left_eye_y,right_eye_x,right_eye_y,"
	      "nose_x,nose_y,left_mouth_x,left_mouth_y,right_mouth_x,"
	      "right_mouth_y\n",
	      f);
	for (size_t i = 0; i < ev->list->picture_count; i++) {
		const struct pair_picture *p = &ev->list->pictures[i];
		const struct face *face = &ev->m[i].face;

		fprintf(f, "%s,%u,%d", p->name, p->index, ev->m[i].found);
		if (!ev->m[i].found) {
			fputs(",,,,,,,,,,,,,,,,,,\n", f);
			continue;
		}
		fprintf(f, ",%.4f,%.5f,%.2f,%.4f", (double)ev->t[i].length,
			(double)face->confidence, (double)face->inter_eye_px,
			quality_frontalness(
				(const float(*)[2])face->landmarks));
		for (int k = 0; k < 4; k++)
			fprintf(f, ",%.2f", (double)face->box[k]);
		for (int k = 0; k < 5; k++)
			fprintf(f, ",%.2f,%.2f", (double)face->landmarks[k][0],
				(double)face->landmarks[k][1]);
		fputc('\n', f);
	}
}

static void write_pairs(FILE *f, const struct evaluation *ev,
			const struct score_histogram *h)
{
	(void)h;
	fputs("fold,same,name1,index1,name2,index2,score\n", f);
	for (size_t i = 0; i < ev->list->pair_count; i++) {
		const struct pair_entry *e = &ev->list->pairs[i];
		const struct pair_picture *a = &ev->list->pictures[e->a];
		const struct pair_picture *b = &ev->list->pictures[e->b];

		fprintf(f, "%u,%d,%s,%u,%s,%u,%.5f\n", e->fold, e->same,
			a->name, a->index, b->name, b->index,
			(double)evaluate_score(ev, e->a, e->b));
	}
}

static void write_histogram(FILE *f, const struct evaluation *ev,
			    const struct score_histogram *h)
{
	(void)ev;
	fputs("score,genuine,impostor\n", f);
	for (size_t i = 0; i < METRICS_BINS; i++)
		if (h->genuine[i] != 0 || h->impostor[i] != 0)
			fprintf(f, "%.4f,%" PRIu64 ",%" PRIu64 "\n",
				metrics_bin_score(i), h->genuine[i],
				h->impostor[i]);
}

static enum status write_file(const char *dir, const char *name, write_fn *fn,
			      const struct evaluation *ev,
			      const struct score_histogram *h,
			      struct errinfo *err)
{
	char path[4096];
	FILE *f;
	bool bad;
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, ST_BAD_REQUEST,
			       "--curves: the path is too long");
	f = fopen(path, "we");
	if (f == NULL)
		return err_set(err, ST_IO_ERROR, "%s: %s", name,
			       strerror(errno));
	fn(f, ev, h);
	bad = ferror(f) != 0;
	if (fclose(f) != 0 || bad)
		return err_set(err, ST_IO_ERROR, "%s: %s", name,
			       strerror(errno));
	return ST_OK;
}

enum status curves_write(const char *dir, const struct evaluation *ev,
			 const struct score_histogram *h, struct errinfo *err)
{
	enum status st;

	if (mkdir(dir, 0777) != 0 && errno != EEXIST)
		return err_set(err, ST_IO_ERROR, "--curves: %s",
			       strerror(errno));
	st = write_file(dir, "pictures.csv", write_pictures, ev, h, err);
	if (st == ST_OK)
		st = write_file(dir, "pairs.csv", write_pairs, ev, h, err);
	if (st == ST_OK && h != NULL)
		st = write_file(dir, "histogram.csv", write_histogram, ev, h,
				err);
	return st;
}
