/* The model file, byte by byte: see docs/model-format.md. */
#ifndef FACEGATE_FORMAT_H
#define FACEGATE_FORMAT_H

#include <stdint.h>

#define FGM_MAGIC     "FGM1"
#define FGM_VERSION   2
#define FGM_NO_TENSOR 0xFFFFu
#define FGM_OUT_BLOCK 16 /* outputs are padded to this many */
#define FGM_K_GROUP   4	 /* and the sum's length to this */

enum fgm_op { FGM_CONV = 1, FGM_DEPTHWISE = 2, FGM_MAXPOOL = 3 };
enum fgm_type { FGM_S8 = 1, FGM_S16 = 2, FGM_F32 = 3 };
#define FGM_FLAG_SLOPE 1u
#define FGM_FLAG_WIDE  2u /* 16-bit weights in two planes */

struct fgm_header {
	char magic[4];
	uint32_t version, file_bytes, crc32;
	uint32_t net_count, nets_off;
	uint32_t layer_count, layers_off;
	uint32_t cut_count, cuts_off;
	uint32_t quality_count, quality_off;
	uint32_t note_off, note_bytes;
	char name[16];
};

struct fgm_net {
	char name[8];
	uint16_t first_layer, layer_count;
	uint16_t in_height, in_width, in_channels;
	uint8_t in_type, zero8;
	uint32_t zero32[3];
};

struct fgm_cut {
	float fmr, score;
};

struct fgm_quality {
	float share, length;
};

struct fgm_layer {
	uint8_t op, in_type, out_type, flags;
	uint8_t kernel_h, kernel_w, stride, zero8;
	uint8_t pad_top, pad_left, pad_bottom, pad_right;
	uint16_t in_channels, out_channels;
	uint16_t input, residual;
	int16_t in_zero, out_zero, out_min, out_max, res_zero;
	uint16_t zero16;
	float res_scale;
	uint32_t weights_off, weights_bytes;
	uint32_t channels_off, channels_bytes;
	float slope_unit;
	uint32_t zero32[2];
};

_Static_assert(sizeof(struct fgm_header) == 72, "header is 72 bytes");
_Static_assert(sizeof(struct fgm_net) == 32, "net record is 32 bytes");
_Static_assert(sizeof(struct fgm_cut) == 8, "threshold record is 8 bytes");
_Static_assert(sizeof(struct fgm_quality) == 8, "quality record is 8 bytes");
_Static_assert(sizeof(struct fgm_layer) == 64, "layer record is 64 bytes");

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "model files are mapped as they are: only little-endian machines"
#endif

#endif
