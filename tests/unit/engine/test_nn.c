/* Nets against the golden tensors of the Python implementation. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "model/model.h"
#include "nn/nn.h"

static const struct k_table *levels[K_LEVELS_MAX];
static size_t level_count;

static void open_model(struct model *m, const char *path)
{
	struct errinfo err;

	err_clear(&err);
	ck_assert_msg(model_open(m, golden_path(path), &err) == ST_OK, "%s",
		      err.text);
}

/* Rows of a golden tensor, as a net's input. */
static void golden_row(void *ctx, uint32_t y, void *dst)
{
	const struct golden_tensor *t = ctx;
	size_t row = t->bytes / t->height;

	memcpy(dst, (const uint8_t *)t->data + y * row, row);
}

static void check_tensor(struct nn_run *run, unsigned t,
			 const struct golden_tensor *want, const char *net_name)
{
	const struct nn_tensor *x = &run->plan->tensor[t];
	size_t row = want->bytes / want->height;

	ck_assert_uint_eq(x->height, want->height);
	ck_assert_uint_eq(x->width, want->width);
	ck_assert_uint_eq(x->channels, want->channels);
	ck_assert_uint_eq((size_t)x->width * x->pixel_bytes, row);
	for (uint32_t y = 0; y < want->height; y++)
		ck_assert_msg(memcmp(nn_row(run, t, y), want->data + y * row,
				     row) == 0,
			      "%s layer %u row %u differs at level %s",
			      net_name, t, y, run->k->name);
}

/* Every layer of a net, at every kernel level of this machine; then its output
 * alone, as it is served. */
static void check_layers(const char *model, const char *net_name,
			 const char *golden)
{
	struct model m;
	struct golden g;
	const struct fgm_net *net;

	open_model(&m, model);
	golden_read(&g, golden);
	net = model_net(&m, net_name);
	ck_assert_ptr_nonnull(net);
	for (int keep = NN_ROWS; keep <= NN_WHOLE; keep++) {
		const struct nn_source source = { golden_row, &g.tensor[0] };
		struct nn_plan plan;
		struct nn_run run;
		uint8_t *area;

		ck_assert_uint_eq(nn_plan_make(&plan, &m, net,
					       g.tensor[0].height,
					       g.tensor[0].width,
					       (enum nn_keep)keep, NULL),
				  ST_OK);
		area = aligned_alloc(64, plan.total_bytes);
		for (size_t k = 0; k < level_count; k++) {
			memset(area, 0x5a, plan.total_bytes);
			nn_start(&run, &plan, &m, net, levels[k], source, area);
			/* A file may hold all layers or only the last one. */
			for (unsigned t = 1;
			     keep == NN_WHOLE && t < net->layer_count &&
			     g.count > 2;
			     t++)
				check_tensor(&run, t, &g.tensor[t], net_name);
			check_tensor(&run, net->layer_count,
				     &g.tensor[g.count - 1], net_name);
		}
		free(area);
	}
	golden_free(&g);
	model_close(&m);
}

START_TEST(every_layer_of_an_s8_net_is_exact)
{
	check_layers("tests/golden/toy.fgm", "toy8", "toy8.bin");
}
END_TEST

START_TEST(every_layer_of_an_s16_net_is_exact)
{
	check_layers("tests/golden/toy.fgm", "toy16", "toy16.bin");
}
END_TEST

START_TEST(every_layer_of_an_f32_net_is_exact)
{
	check_layers("tests/golden/toy.fgm", "toy32", "toy32.bin");
}
END_TEST

START_TEST(the_detector_nets_are_exact)
{
	check_layers("models/mtcnn.fgm", "pnet", "pnet.bin");
	check_layers("models/mtcnn.fgm", "rnet", "rnet.bin");
	check_layers("models/mtcnn.fgm", "onet", "onet.bin");
}
END_TEST

START_TEST(every_embedder_is_exact)
{
	struct golden_embedder all[EMBEDDERS_MAX];
	size_t n = golden_embedders(all);

	for (size_t i = 0; i < n; i++) {
		char golden[128];

		snprintf(golden, sizeof(golden), "embed-%s.bin", all[i].name);
		check_layers(all[i].path, "embed", golden);
	}
}
END_TEST

/* No two tensors that are alive at the same time may share a byte, and the
 * scratch lies behind them all. */
static void check_overlap(const char *path)
{
	struct model m;
	struct nn_plan plan;
	const struct fgm_net *net;

	open_model(&m, path);
	net = model_net(&m, "embed");
	ck_assert_uint_eq(
		nn_plan_make(&plan, &m, net, 112, 112, NN_WHOLE, NULL), ST_OK);
	for (unsigned i = 0; i < net->layer_count; i++) {
		const struct fgm_layer *l = &m.layers[net->first_layer + i];
		unsigned live[3] = { l->input, i + 1, l->residual };

		for (int a = 0; a < 3; a++)
			for (int b = 0; b < a; b++) {
				const struct nn_tensor *x, *y;

				if (live[a] == FGM_NO_TENSOR ||
				    live[a] == live[b])
					continue;
				x = &plan.tensor[live[a]];
				y = &plan.tensor[live[b]];
				ck_assert(x->offset + x->bytes <= y->offset ||
					  y->offset + y->bytes <= x->offset);
			}
		ck_assert_uint_le(plan.tensor[i + 1].offset +
					  plan.tensor[i + 1].bytes,
				  plan.scratch_offset);
	}
	model_close(&m);
}

START_TEST(live_tensors_do_not_overlap)
{
	struct golden_embedder all[EMBEDDERS_MAX];
	size_t n = golden_embedders(all);

	for (size_t i = 0; i < n; i++)
		check_overlap(all[i].path);
}
END_TEST

/* What 1 MiB leaves beside the decoder's state and 640x480 pixels: see
 * docs/memory.md. */
START_TEST(an_embedder_fits_beside_vga_in_one_mebibyte)
{
	struct golden_embedder all[EMBEDDERS_MAX];
	size_t n = golden_embedders(all);

	for (size_t i = 0; i < n; i++) {
		struct model m;
		struct nn_plan plan;

		open_model(&m, all[i].path);
		ck_assert_uint_eq(nn_plan_make(&plan, &m,
					       model_net(&m, "embed"), 112, 112,
					       NN_ROWS, NULL),
				  ST_OK);
		ck_assert_uint_le(plan.total_bytes, 108800);
		model_close(&m);
	}
}
END_TEST

START_TEST(refuses_an_input_too_small_for_the_net)
{
	struct model m;
	struct nn_plan plan;
	struct errinfo err;

	err_clear(&err);
	open_model(&m, "models/mtcnn.fgm");
	ck_assert_uint_eq(nn_plan_make(&plan, &m, model_net(&m, "pnet"), 10, 40,
				       NN_ROWS, &err),
			  ST_BAD_MODEL);
	ck_assert_uint_eq(nn_plan_make(&plan, &m, model_net(&m, "rnet"), 25, 24,
				       NN_ROWS, NULL),
			  ST_BAD_MODEL);
	ck_assert_uint_eq(nn_plan_make(&plan, &m, model_net(&m, "pnet"), 12, 12,
				       NN_ROWS, NULL),
			  ST_OK);
	model_close(&m);
}
END_TEST

/* 1x1 convs, each of the one before. */
static enum status plan_of(struct fgm_layer *l, unsigned layers,
			   unsigned channels, uint32_t side,
			   struct nn_plan *plan)
{
	struct model m = { .layers = l };
	struct fgm_net net = { .in_type = FGM_S8,
			       .in_channels = (uint16_t)channels,
			       .layer_count = (uint16_t)layers };

	for (unsigned i = 0; i < layers; i++) {
		l[i].op = FGM_CONV;
		l[i].in_type = l[i].out_type = FGM_S8;
		l[i].kernel_h = l[i].kernel_w = l[i].stride = 1;
		l[i].in_channels = l[i].out_channels = (uint16_t)channels;
		l[i].input = (uint16_t)i;
	}
	return nn_plan_make(plan, &m, &net, side, side, NN_ROWS, NULL);
}

/* Its second block of outputs would read the first block's. */
START_TEST(a_layer_that_reads_its_residual_does_not_overwrite_it)
{
	struct fgm_layer l[3] = {
		{ .residual = FGM_NO_TENSOR },
		{ .residual = 1 },
		{ .residual = FGM_NO_TENSOR },
	};
	struct nn_plan plan;

	ck_assert_uint_eq(plan_of(l, 3, 32, 8, &plan), ST_OK);
	ck_assert_uint_ne(plan.tensor[2].offset, plan.tensor[1].offset);
}
END_TEST

/* On a machine of 32 bits the sum would begin anew at 4 GiB. */
START_TEST(tensors_that_are_too_large_only_together_are_refused)
{
	struct fgm_layer l[40];
	struct nn_plan plan;

	for (unsigned n = 1; n <= 40; n++) {
		memset(l, 0, sizeof(l));
		for (unsigned i = 0; i < n; i++)
			l[i].residual = i < 1 ? FGM_NO_TENSOR : 1;
		ck_assert_uint_eq(plan_of(l, n, 4000, 160, &plan),
				  n < 3 ? ST_OK : ST_BAD_MODEL);
	}
}
END_TEST

Suite *suite_nn(void)
{
	Suite *s = suite_create("nn");
	TCase *t = tcase_create("nn");

	level_count = k_available(levels);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, every_layer_of_an_s8_net_is_exact);
	tcase_add_test(t, every_layer_of_an_s16_net_is_exact);
	tcase_add_test(t, every_layer_of_an_f32_net_is_exact);
	tcase_add_test(t, the_detector_nets_are_exact);
	tcase_add_test(t, every_embedder_is_exact);
	tcase_add_test(t, live_tensors_do_not_overlap);
	tcase_add_test(t, an_embedder_fits_beside_vga_in_one_mebibyte);
	tcase_add_test(t,
		       a_layer_that_reads_its_residual_does_not_overwrite_it);
	tcase_add_test(t, tensors_that_are_too_large_only_together_are_refused);
	tcase_add_test(t, refuses_an_input_too_small_for_the_net);
	suite_add_tcase(s, t);
	return s;
}
