/* Running a net of a model file.
 *
 * nn_plan_make works out every tensor's shape and a place for it in one
 * activation area, reusing the bytes of tensors that are no longer needed;
 * nn_run computes layer by layer inside that area and nothing else.
 * Memory: the caller's area of plan->total_bytes, ARENA_ALIGN aligned.
 * Threads: plans and nets are read-only in nn_run; one area per thread.
 */
#ifndef FACEGATE_NN_H
#define FACEGATE_NN_H

#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "nn/kernels.h"

#define NN_LAYERS_MAX 64

struct nn_tensor {
	uint32_t height, width, channels; /* NHWC, one picture */
	size_t offset;			  /* in the activation area, bytes */
	size_t bytes;
};

struct nn_plan {
	struct nn_tensor tensor[NN_LAYERS_MAX + 1]; /* 0 is the input */
	unsigned layer_count;
	size_t scratch_offset; /* im2col tile and padding vector */
	size_t scratch_bytes;
	size_t total_bytes;
};

/* Plans a net for an input of height x width (which must equal the net's own
 * size where it has one). ST_BAD_MODEL when layers do not fit together or
 * the input is too small for them. */
enum status nn_plan_make(struct nn_plan *plan, const struct model *m,
			 const struct fgm_net *net, uint32_t height,
			 uint32_t width, struct errinfo *err) MUST_CHECK;

/* Runs the net over area, whose input tensor the caller has filled. Returns
 * the last layer's output. */
const void *nn_run(const struct nn_plan *plan, const struct model *m,
		   const struct fgm_net *net, const struct k_table *k,
		   uint8_t *area);

/* The same, layers [0, upto): for tests that look at every tensor. */
const void *nn_run_upto(const struct nn_plan *plan, const struct model *m,
			const struct fgm_net *net, const struct k_table *k,
			uint8_t *area, unsigned upto);

/* Multiply-accumulates of one run, for reports. */
uint64_t nn_macs(const struct nn_plan *plan, const struct model *m,
		 const struct fgm_net *net);

#endif
