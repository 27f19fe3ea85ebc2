/* Model files: mapped read-only and checked once, used in place afterwards.
 *
 * Memory: the mapping is file-backed and shared; struct model is the caller's.
 * Threads: read-only after model_open. Replace a model file by rename, never
 * by writing into it: the mapping follows the old file until the restart.
 */
#ifndef FACEGATE_MODEL_H
#define FACEGATE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "facetypes.h"
#include "model/format.h"
#include "status.h"

struct model {
	const uint8_t *file;
	size_t bytes;
	const struct fgm_header *header;
	const struct fgm_net *nets;
	const struct fgm_layer *layers;
	const struct fgm_cut *cuts;
	const struct fgm_quality *quality;
	char id[MODEL_ID_MAX]; /* name@crc32 */
};

/* Maps path and checks everything: magic, version, sizes, checksum, every
 * offset, every layer's shapes against the tensors it names, and that no sum
 * can leave int32. ST_IO_ERROR or ST_BAD_MODEL. */
enum status model_open(struct model *m, const char *path,
		       struct errinfo *err) MUST_CHECK;
/* The same checks on bytes in memory (16-byte aligned, borrowed). */
enum status model_view(struct model *m, const uint8_t *file, size_t bytes,
		       struct errinfo *err) MUST_CHECK;
void model_close(struct model *m); /* unmaps what model_open mapped */

/* The net of that name, or NULL. */
const struct fgm_net *model_net(const struct model *m, const char *name);

/* Bytes of one element of an activation type. */
static inline size_t fgm_type_bytes(unsigned type)
{
	return type == FGM_S8 ? 1 : type == FGM_S16 ? 2 : 4;
}

/* Length of the sum of one output: a conv's window, padded to K_GROUP. */
static inline size_t fgm_k_padded(const struct fgm_layer *l)
{
	size_t k = (size_t)l->kernel_h * l->kernel_w * l->in_channels;

	return (k + FGM_K_GROUP - 1) / FGM_K_GROUP * FGM_K_GROUP;
}

/* Planes of 8-bit weights: two make 16 bits. */
static inline size_t fgm_planes(const struct fgm_layer *l)
{
	return l->flags & FGM_FLAG_WIDE ? 2 : 1;
}

static inline size_t fgm_channels_padded(const struct fgm_layer *l)
{
	return ((size_t)l->out_channels + FGM_OUT_BLOCK - 1) / FGM_OUT_BLOCK *
	       FGM_OUT_BLOCK;
}

static inline const int32_t *fgm_bias(const uint8_t *file,
				      const struct fgm_layer *l)
{
	return (const int32_t *)(const void *)(file + l->channels_off);
}

static inline const uint16_t *fgm_scale(const uint8_t *file,
					const struct fgm_layer *l)
{
	return (const uint16_t *)(const void *)(file + l->channels_off +
						4 * fgm_channels_padded(l));
}

static inline const int16_t *fgm_slope(const uint8_t *file,
				       const struct fgm_layer *l)
{
	return (const int16_t *)(const void *)(file + l->channels_off +
					       6 * fgm_channels_padded(l));
}

static inline const int8_t *fgm_weights(const uint8_t *file,
					const struct fgm_layer *l)
{
	return (const int8_t *)(file + l->weights_off);
}

/* The same three of an f32 layer, all floats: weights, bias, slope. */
static inline const float *fgm_weights_f32(const uint8_t *file,
					   const struct fgm_layer *l)
{
	return (const float *)(const void *)(file + l->weights_off);
}

static inline const float *fgm_bias_f32(const uint8_t *file,
					const struct fgm_layer *l)
{
	return (const float *)(const void *)(file + l->channels_off);
}

static inline const float *fgm_slope_f32(const uint8_t *file,
					 const struct fgm_layer *l)
{
	return fgm_bias_f32(file, l) + fgm_channels_padded(l);
}

/* A bf16 scale as the float it stands for. */
static inline float bf16_to_float(uint16_t v)
{
	union {
		uint32_t u;
		float f;
	} x = { (uint32_t)v << 16 };

	return x.f;
}

#endif
