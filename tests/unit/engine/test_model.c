/* The loader believes nothing: every field of a good file is damaged in turn.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
START_TEST(every_damaged_field_is_refused_or_harmless)
{
	const struct fgm_header *h = (const void *)file;
	size_t records = h->layers_off +
			 h->layer_count * sizeof(struct fgm_layer);
	uint32_t state = 99;
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
			for (unsigned n = 0; n < m.header->net_count; n++) {
				const struct fgm_net *net = &m.nets[n];
				struct nn_plan plan;
				uint8_t *area;

				if (nn_plan_make(&plan, &m, net,
						 net->in_height ? net->in_height
								: 23,
						 net->in_width ? net->in_width
							       : 20,
						 NULL) != ST_OK ||
				    plan.total_bytes > 1 << 20)
					continue;
				area = aligned_alloc(
					64, (plan.total_bytes + 63) / 64 * 64);
				for (size_t b = 0; b < plan.total_bytes; b++) {
					state = state * 1664525u + 1013904223u;
					area[b] = (uint8_t)(state >> 24);
				}
				nn_run(&plan, &m, net, k_select(NULL), area);
				free(area);
			}
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

	h->version = 2;
	mend();
	ck_assert_uint_eq(view(&err), ST_BAD_MODEL);
	ck_assert_ptr_nonnull(strstr(err.text, "version 2"));
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
	size_t n;

	free(golden_file(golden_path("models/mtcnn.fgm"), &n));
	ck_assert_uint_le(n, 1000000);
	free(golden_file(golden_path("models/embedder-accurate.fgm"), &n));
	ck_assert_uint_lt(n, 1000000);
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
	tcase_add_test(t, sums_that_could_leave_int32_are_refused);
	tcase_add_test(t, a_missing_file_and_a_folder_are_errors);
	tcase_add_test(t, the_shipped_models_are_small_enough);
	suite_add_tcase(s, t);
	return s;
}
