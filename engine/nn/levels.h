/* The tables of all levels; which of them exist depends on the machine. */
#ifndef FACEGATE_LEVELS_H
#define FACEGATE_LEVELS_H

#include "nn/kernels.h"

extern const struct k_table k_table_avx2;	/* x86-64 with AVX2 */
extern const struct k_table k_table_avxvnni;	/* AVX-VNNI */
extern const struct k_table k_table_avx512vnni; /* F, BW, DQ, VL and VNNI */
extern const struct k_table k_table_neon;	/* ARM, 64 or 32 bits */
extern const struct k_table k_table_dotprod;	/* 64-bit ARM */

/* What the levels above AVX2 take over unchanged. */
void k_depthwise_s8_avx2(const struct k_depthwise *d);
void k_maxpool_s16_avx2(const int16_t *const *taps, size_t tap_count,
			size_t channels, int16_t *out);
void k_gemm_f32_avx2(const struct k_gemm_f32 *g);
void k_maxpool_f32_avx2(const float *const *taps, size_t tap_count,
			size_t channels, float *out);
void k_dot_rows_s8_avx2(const int8_t (*rows)[TEMPLATE_DIM],
			const int8_t probe[TEMPLATE_DIM], size_t n,
			int32_t *sums);
void k_add_rows_u8_avx2(uint32_t *sums, const uint8_t *rows, size_t step,
			size_t count, size_t n);

/* What the level above NEON takes over unchanged. */
void k_gemm_s16_neon(const struct k_gemm *g);
void k_gemm_f32_neon(const struct k_gemm_f32 *g);
void k_depthwise_s8_neon(const struct k_depthwise *d);
void k_maxpool_s16_neon(const int16_t *const *taps, size_t tap_count,
			size_t channels, int16_t *out);
void k_maxpool_f32_neon(const float *const *taps, size_t tap_count,
			size_t channels, float *out);
void k_add_rows_u8_neon(uint32_t *sums, const uint8_t *rows, size_t step,
			size_t count, size_t n);

/* Rows of bytes whose sums fit in 16 bits; and add_rows_u8 by a function that
 * takes no more. */
#define K_ROWS_U16 257
static inline void k_add_in_parts(void (*add)(uint32_t *sums,
					      const uint8_t *rows, size_t step,
					      size_t count, size_t n),
				  uint32_t *sums, const uint8_t *rows,
				  size_t step, size_t count, size_t n)
{
	for (; count > K_ROWS_U16; count -= K_ROWS_U16) {
		add(sums, rows, step, K_ROWS_U16, n);
		rows += K_ROWS_U16 * step;
	}
	add(sums, rows, step, count, n);
}

/* Asks the memory for the n templates that a scan reaches 8 KiB after these, in
 * their order: what processors fetch ahead by themselves ends with the page. A
 * hint only: past the last template it does nothing. */
static inline void k_fetch_rows_ahead(const int8_t (*rows)[TEMPLATE_DIM],
				      size_t n)
{
	uintptr_t ahead = (uintptr_t)rows + 8192;

	for (size_t at = 0; at < n * TEMPLATE_DIM; at += 64)
		__builtin_prefetch((const void *)(ahead + at));
}

#endif
