/* The loader believes nothing: every field of a good file is damaged in turn.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "face/embed.h"
#include "golden.h"
#include "model/crc32.h"
#include "model/model.h"
#include "nn/nn.h"

static uint8_t *file;
static size_t bytes;

static void load(void)
{
	file = golden_file(golden_path("tests/golden/toy.fgm"), &bytes);
}

static void unload(void)
{
	free(file);
}

static void mend(void)
{
	struct fgm_header *h = (void *)file;

	h->crc32 = crc32_of(file + 16, bytes - 16);
}

static enum status view(struct errinfo *err)
{
	struct model m;

	err_clear(err);
	return model_view(&m, file, bytes, err);
}

START_TEST(takes_a_good_file)
{
	struct errinfo err;

	ck_assert_msg(view(&err) == ST_OK, "%s", err.text);
}
END_TEST

START_TEST(a_flipped_byte_anywhere_is_noticed)
{
	struct errinfo err;

	for (size_t i = 0; i < bytes; i += 41) {
		file[i] ^= 0x20;
		ck_assert_msg(view(&err) == ST_BAD_MODEL, "byte %zu", i);
		file[i] ^= 0x20;
	}
	ck_assert_uint_eq(view(&err), ST_OK);
}
END_TEST

START_TEST(every_shorter_file_is_refused)
{
	struct errinfo err;
	struct model m;

	for (size_t n = 0; n < bytes; n += n < 300 ? 1 : 997) {
		uint8_t *part = aligned_alloc(64, (n + 64) / 64 * 64);

		memcpy(part, file, n);
		err_clear(&err);
		ck_assert_uint_eq(model_view(&m, part, n, &err), ST_BAD_MODEL);
		free(part);
	}
}
END_TEST

/* With the checksum made good again only the field checks are left. Whatever
 * they let through must be harmless: it is planned and run. */
struct noise {
	size_t row_bytes;
	uint32_t state;
};

static void noise_row(void *ctx, uint32_t y, void *dst)
{
	struct noise *n = ctx;

	(void)y;
	for (size_t b = 0; b < n->row_bytes; b++) {
		n->state = n->state * 1664525u + 1013904223u;
		((uint8_t *)dst)[b] = (uint8_t)(n->state >> 24);
	}
}

/* Both ways of keeping rows must stay inside the area. */
static void run_on_noise(const struct model *m, const struct fgm_net *net)
{
	for (int keep = NN_ROWS; keep <= NN_WHOLE; keep++) {
		struct nn_plan plan;
		struct nn_run run;
		struct noise noise = { .state = 99 };
		uint8_t *area;

		if (nn_plan_make(&plan, m, net,
				 net->in_height ? net->in_height : 23,
				 net->in_width ? net->in_width : 20,
				 (enum nn_keep)keep, NULL) != ST_OK ||
		    plan.total_bytes > 1 << 20)
			continue;
		noise.row_bytes = (size_t)plan.tensor[0].width *
				  plan.tensor[0].pixel_bytes;
		area = aligned_alloc(64, plan.total_bytes);
		memset(area, 0x5a, plan.total_bytes);
		nn_start(&run, &plan, m, net, k_select(NULL),
			 (struct nn_source){ noise_row, &noise }, area);
		for (uint32_t y = 0; y < plan.tensor[plan.layer_count].height;
		     y++)
			nn_row(&run, plan.layer_count, y);
		free(area);
	}
}

START_TEST(every_damaged_field_is_refused_or_harmless)
{
	const struct fgm_header *h = (const void *)file;
	size_t records = h->layers_off +
			 h->layer_count * sizeof(struct fgm_layer);
	unsigned refused = 0, tried = 0;

	for (size_t i = 16; i < records; i++) {
		static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
		uint8_t old = file[i];

		for (size_t k = 0; k < sizeof(values); k++) {
			struct errinfo err;
			struct model m;

			if (values[k] == old)
				continue;
			file[i] = values[k];
			mend();
			err_clear(&err);
			tried++;
			if (model_view(&m, file, bytes, &err) != ST_OK) {
				ck_assert_uint_eq(err.status, ST_BAD_MODEL);
				refused++;
				continue;
			}
			for (unsigned n = 0; n < m.header->net_count; n++)
				run_on_noise(&m, &m.nets[n]);
		}
		file[i] = old;
	}
	mend();
	/* Most fields have one right value. */
	ck_assert_uint_gt(refused, tried / 2);
}
END_TEST

START_TEST(another_version_is_named)
{
	struct fgm_header *h = (void *)file;
	struct errinfo err;

	h->version = 1;
	mend();
	ck_assert_uint_eq(view(&err), ST_BAD_MODEL);
	ck_assert_ptr_nonnull(strstr(err.text, "version 1, this build reads"));
	h->version = 9;
	mend();
	ck_assert_uint_eq(view(&err), ST_BAD_MODEL);
	ck_assert_ptr_nonnull(strstr(err.text, "version 9"));
}
END_TEST

/* Whether the loader complains of this table once v holds x. */
static void refuses(float *v, float x, const char *table)
{
	struct errinfo err;
	float good = *v;

	*v = x;
	mend();
	ck_assert_msg(view(&err) == ST_BAD_MODEL, "%s: %g", table, (double)x);
	ck_assert_str_eq(err.text, table);
	*v = good;
	mend();
	ck_assert_uint_eq(view(&err), ST_OK);
}

START_TEST(tables_must_rise_or_fall_within_their_limits)
{
	const struct fgm_header *h = (const void *)file;
	struct fgm_cut *c = (void *)(file + h->cuts_off);
	struct fgm_quality *q = (void *)(file + h->quality_off);
	static const float bad_lengths[] = { 0.0f, -1.0f, 1e30f, INFINITY,
					     NAN };

	ck_assert_uint_eq(h->cut_count, 2);
	ck_assert_uint_eq(h->quality_count, 3);
	refuses(&c[1].fmr, c[0].fmr, "threshold table");
	refuses(&c[1].score, c[0].score - 0.1f, "threshold table");
	refuses(&c[0].fmr, NAN, "threshold table");
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 5; k++)
			refuses(&q[i].length, bad_lengths[k], "quality table");
	refuses(&q[1].share, q[0].share, "quality table");
	refuses(&q[1].length, q[0].length, "quality table");
	refuses(&q[2].share, 1.1f, "quality table");
	refuses(&q[0].share, -0.1f, "quality table");
	refuses(&q[1].share, NAN, "quality table");
}
END_TEST

START_TEST(a_table_that_is_too_long_or_out_of_place_is_refused)
{
	struct fgm_header *h = (void *)file;
	const struct fgm_header good = *h;
	struct errinfo err;

	h->quality_count = 33;
	mend();
	ck_assert_uint_eq(view(&err), ST_BAD_MODEL);
	*h = good;
	h->quality_off = (uint32_t)bytes - 20;
	mend();
	ck_assert_uint_eq(view(&err), ST_BAD_MODEL);
	*h = good;
	h->quality_off += 1;
	mend();
	ck_assert_uint_eq(view(&err), ST_BAD_MODEL);
}
END_TEST

START_TEST(an_embedder_needs_both_tables)
{
	struct golden_embedder all[EMBEDDERS_MAX];
	struct fgm_header *h;
	struct embedder e;
	struct model m;

	golden_embedders(all);
	free(file);
	file = golden_file(golden_path(all[0].path), &bytes);
	h = (void *)file;
	for (int i = 0; i < 3; i++) {
		const struct fgm_header good = *h;

		h->cut_count = i == 1 ? 0 : good.cut_count;
		h->quality_count = i == 2 ? 0 : good.quality_count;
		mend();
		ck_assert_uint_eq(model_view(&m, file, bytes, NULL), ST_OK);
		ck_assert_uint_eq(embed_open(&e, &m, k_select(NULL), NULL),
				  i == 0 ? ST_OK : ST_BAD_MODEL);
		*h = good;
	}
}
END_TEST

START_TEST(sums_that_could_leave_int32_are_refused)
{
	const struct fgm_header *h = (const void *)file;
	struct fgm_layer *l = (void *)(file + h->layers_off);
	int32_t *bias = (void *)(file + l->channels_off);
	struct errinfo err;

	bias[0] = INT32_MAX;
	mend();
	ck_assert_uint_eq(view(&err), ST_BAD_MODEL);
	ck_assert_ptr_nonnull(strstr(err.text, "int32"));
	bias[0] = INT32_MIN;
	mend();
	ck_assert_uint_eq(view(&err), ST_BAD_MODEL);
}
END_TEST

/* The first layer of the file takes int8. */
START_TEST(a_weight_of_minus_128_is_refused)
{
	const struct fgm_header *h = (const void *)file;
	const struct fgm_layer *l = (const void *)(file + h->layers_off);
	struct errinfo err;

	ck_assert_uint_eq(l->in_type, FGM_S8);
	file[l->weights_off + l->weights_bytes - 1] = (uint8_t)-127;
	mend();
	ck_assert_uint_eq(view(&err), ST_OK);
	file[l->weights_off + l->weights_bytes - 1] = (uint8_t)-128;
	mend();
	ck_assert_uint_eq(view(&err), ST_BAD_MODEL);
	ck_assert_ptr_nonnull(strstr(err.text, "-128"));
}
END_TEST

/* Its last window would lie outside of the input. */
START_TEST(a_pool_that_steps_over_its_input_is_refused)
{
	struct fgm_header *h;
	struct fgm_layer *l;
	struct errinfo err;

	free(file);
	file = golden_file(golden_path("models/mtcnn.fgm"), &bytes);
	h = (void *)file;
	l = (void *)(file + h->layers_off);
	while (l->op != FGM_MAXPOOL)
		l++;
	l->kernel_w = (uint8_t)(l->stride - 1);
	mend();
	ck_assert_uint_eq(view(&err), ST_BAD_MODEL);
	ck_assert_ptr_nonnull(strstr(err.text, "stride"));
}
END_TEST

START_TEST(a_missing_file_and_a_folder_are_errors)
{
	struct errinfo err;
	struct model m;

	err_clear(&err);
	ck_assert_uint_eq(model_open(&m, "/nonexistent/x.fgm", &err),
			  ST_IO_ERROR);
	ck_assert_uint_eq(model_open(&m, "/", NULL), ST_IO_ERROR);
	ck_assert_uint_eq(model_open(&m, "/dev/null", NULL), ST_IO_ERROR);
}
END_TEST

START_TEST(the_shipped_models_are_small_enough)
{
	struct golden_embedder all[EMBEDDERS_MAX];
	size_t count = golden_embedders(all), n;

	free(golden_file(golden_path("models/mtcnn.fgm"), &n));
	ck_assert_uint_le(n, 1000000);
	for (size_t i = 0; i < count; i++) {
		free(golden_file(golden_path(all[i].path), &n));
		ck_assert_uint_lt(n, 1000000);
	}
}
END_TEST

Suite *suite_model(void)
{
	Suite *s = suite_create("model");
	TCase *t = tcase_create("model");

	tcase_add_checked_fixture(t, load, unload);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, takes_a_good_file);
	tcase_add_test(t, a_flipped_byte_anywhere_is_noticed);
	tcase_add_test(t, every_shorter_file_is_refused);
	tcase_add_test(t, every_damaged_field_is_refused_or_harmless);
	tcase_add_test(t, another_version_is_named);
	tcase_add_test(t, tables_must_rise_or_fall_within_their_limits);
	tcase_add_test(t, a_table_that_is_too_long_or_out_of_place_is_refused);
	tcase_add_test(t, an_embedder_needs_both_tables);
	tcase_add_test(t, sums_that_could_leave_int32_are_refused);
	tcase_add_test(t, a_weight_of_minus_128_is_refused);
	tcase_add_test(t, a_pool_that_steps_over_its_input_is_refused);
	tcase_add_test(t, a_missing_file_and_a_folder_are_errors);
	tcase_add_test(t, the_shipped_models_are_small_enough);
	suite_add_tcase(s, t);
	return s;
}
