/* libFuzzer entry for model files. The checksum is made good, so that all other
 * checks are reached; whatever they let through must be harmless: it is planned
 * and, where it is small, run. All kernel levels give the same bits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "model/crc32.h"
#include "model/model.h"
#include "nn/nn.h"

#define FILE_BYTES_MAX (64u << 10)
#define AREA_BYTES_MAX (1u << 20)
#define MACS_MAX       300000

static void noise_row(void *ctx, uint32_t y, void *dst)
{
	const size_t *row_bytes = ctx;

	for (size_t b = 0; b < *row_bytes; b++)
		((uint8_t *)dst)[b] = (uint8_t)((y + 1) * 167 + b * 91);
}

/* The last row of the output, as a copy. */
static void *run(const struct model *m, const struct fgm_net *net,
		 const struct nn_plan *plan, const struct k_table *level)
{
	const struct nn_tensor *out = &plan->tensor[plan->layer_count];
	size_t in_bytes = (size_t)plan->tensor[0].width *
			  plan->tensor[0].pixel_bytes;
	size_t n = (size_t)out->width * out->pixel_bytes;
	uint8_t *area = aligned_alloc(64, (plan->total_bytes + 63) / 64 * 64);
	void *last = malloc(n);
	struct nn_run r;

	fuzz_check(area != NULL && last != NULL);
	memset(area, 0x5a, plan->total_bytes);
	nn_start(&r, plan, m, net, level,
		 (struct nn_source){ noise_row, &in_bytes }, area);
	for (uint32_t y = 0; y < out->height; y++)
		memcpy(last, nn_row(&r, plan->layer_count, y), n);
	free(area);
	return last;
}

/* One not-a-number is as good as another. */
static void compare(const void *a, const void *b, size_t n, unsigned type)
{
	const float *x = a, *y = b;

	if (type != FGM_F32) {
		fuzz_check(memcmp(a, b, n) == 0);
		return;
	}
	for (size_t i = 0; i < n / sizeof(float); i++)
		fuzz_check(memcmp(&x[i], &y[i], sizeof(float)) == 0 ||
			   (isnan(x[i]) && isnan(y[i])));
}

static void run_net(const struct model *m, const struct fgm_net *net)
{
	const struct fgm_layer *last =
		&m->layers[net->first_layer + net->layer_count - 1];

	for (int keep = NN_ROWS; keep <= NN_WHOLE; keep++) {
		const struct nn_tensor *out;
		struct nn_plan plan;
		void *plain, *fast;

		if (nn_plan_make(&plan, m, net,
				 net->in_height ? net->in_height : 23,
				 net->in_width ? net->in_width : 20,
				 (enum nn_keep)keep, NULL) != ST_OK ||
		    plan.total_bytes > AREA_BYTES_MAX ||
		    nn_macs(&plan, m, net) > MACS_MAX)
			continue;
		out = &plan.tensor[plan.layer_count];
		plain = run(m, net, &plan, k_select("scalar"));
		fast = run(m, net, &plan, k_select(NULL));
		compare(plain, fast, (size_t)out->width * out->pixel_bytes,
			last->out_type);
		free(plain);
		free(fast);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct errinfo err;
	struct model m;
	uint8_t *file;

	if (size > FILE_BYTES_MAX)
		return 0;
	file = aligned_alloc(64, (size + 64) / 64 * 64);
	fuzz_check(file != NULL);
	memcpy(file, data, size);
	if (size >= sizeof(struct fgm_header))
		((struct fgm_header *)(void *)file)->crc32 = crc32_of(
			file + 16, size - 16);
	err_clear(&err);
	if (model_view(&m, file, size, &err) == ST_OK)
		for (uint32_t i = 0; i < m.header->net_count; i++)
			run_net(&m, &m.nets[i]);
	else
		fuzz_check(err.status == ST_BAD_MODEL);
	free(file);
	return 0;
}
