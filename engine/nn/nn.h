/* Running a net of a model file, row by row.
 *
 * A tensor that is read once is never whole: it is a ring of as many rows as
 * the layer that reads it spans, and its rows are computed when they are asked
 * for. Only what is read again later (the input of a block with a residual)
 * keeps all its rows; a block's output is written over its residual where
 * nothing else reads that. nn_plan_make works out shapes and places, reusing
 * bytes; nn_row computes inside the area it is given and nowhere else.
 * Memory: the caller's area of plan->total_bytes, ARENA_ALIGN aligned.
 * Threads: plans and nets are read-only when run; one area per thread.
 */
#ifndef FACEGATE_NN_H
#define FACEGATE_NN_H

#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "nn/kernels.h"

#define NN_LAYERS_MAX 64

/* NHWC, one picture. Row y lies at offset + y % rows * row_bytes and begins
 * with `left` pixels of padding. */
struct nn_tensor {
	uint32_t height, width, channels;
	uint32_t rows;	      /* kept at a time, up to height */
	int whole;	      /* all are, from when they are computed on */
	uint32_t left, right; /* padding, in pixels */
	int16_t zero;	      /* what the padding holds */
	uint32_t pixel_bytes;
	size_t row_bytes;
	size_t offset; /* in the activation area, bytes */
	size_t bytes;  /* rows * row_bytes */
};

struct nn_plan {
	struct nn_tensor tensor[NN_LAYERS_MAX + 1]; /* 0 is the input */
	unsigned layer_count;
	size_t scratch_offset; /* gathered windows, then a row of padding */
	size_t padding_offset;
	size_t total_bytes;
};

/* NN_ROWS is what serves. NN_WHOLE keeps every row of every tensor, for tests
 * that look at them. */
enum nn_keep { NN_ROWS, NN_WHOLE };

/* Plans a net for an input of height x width (which must equal the net's own
 * size where it has one). ST_BAD_MODEL when layers do not fit together or
 * the input is too small for them. */
enum status nn_plan_make(struct nn_plan *plan, const struct model *m,
			 const struct fgm_net *net, uint32_t height,
			 uint32_t width, enum nn_keep keep,
			 struct errinfo *err) MUST_CHECK;

/* Where the input comes from: row y, width x channels elements of the net's
 * type, asked for once each and in order. */
struct nn_source {
	void (*row)(void *ctx, uint32_t y, void *dst);
	void *ctx;
};

/* A run under way; the caller's, with pointers to what it was started with. */
struct nn_run {
	const struct nn_plan *plan;
	const struct fgm_layer *layers;
	const uint8_t *file;
	const struct k_table *k;
	struct nn_source source;
	uint8_t *area;
	uint32_t done[NN_LAYERS_MAX + 1]; /* rows computed of each tensor */
};

void nn_start(struct nn_run *r, const struct nn_plan *plan,
	      const struct model *m, const struct fgm_net *net,
	      const struct k_table *k, struct nn_source source, uint8_t *area);

/* Row y of tensor t, computed with all it needs. Rows must be asked for in
 * order; the row lies in the area until the next is asked for. Under NN_ROWS
 * only the last tensor, the net's output, may be asked for. */
const void *nn_row(struct nn_run *r, unsigned t, uint32_t y);

/* The only row of the output of a net whose output has one. */
const void *nn_output(struct nn_run *r);

/* Multiply-accumulates of one run, for reports. */
uint64_t nn_macs(const struct nn_plan *plan, const struct model *m,
		 const struct fgm_net *net);

#endif
