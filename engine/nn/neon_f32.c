/* The float kernels on NEON.
 *
 * The vectors of 32-bit ARM flush floats below 2^-126 to zero, where the
 * reference keeps them. The matrix product therefore watches the processor's
 * flags for it and, should it ever happen, gives the work to the reference; the
 * maximum compares as integers there. */
#include "nn/levels.h"
#include "nn/store_neon.h"

/* Pixels at a time: 64-bit ARM has 32 vector registers, 32-bit ARM 16. */
#ifdef __aarch64__
#define TILE 4
#else
#define TILE 2
#endif

/* acc + a[lane] * b, rounded twice. */
INLINE float32x4_t add_product(float32x4_t acc, float32x4_t b, float32x2_t a,
			       int lane)
{
	return vaddq_f32(acc, lane == 0 ? vmulq_lane_f32(b, a, 0)
					: vmulq_lane_f32(b, a, 1));
}

/* Sixteen outputs of `tile` pixels from p; each lane adds in the reference's
 * order, so its bits are the reference's. */
INLINE void block_f32(const struct k_gemm_f32 *g, size_t p, size_t o0,
		      const float *w, int tile)
{
	const float *in = g->in + p * g->in_step;
	size_t n = g->channels - o0 < 16 ? g->channels - o0 : 16;
	float32x4_t acc[TILE][4];

	for (int t = 0; t < tile; t++)
		for (int i = 0; i < 4; i++)
			acc[t][i] = vld1q_f32(g->bias + o0 + 4 * i);
	for (size_t k = 0; k < g->k; k += 2, w += 32) {
		float32x2_t a[TILE];

		for (int t = 0; t < tile; t++)
			a[t] = vld1_f32(in + (size_t)t * g->in_step + k);
		for (int lane = 0; lane < 2; lane++)
			for (int i = 0; i < 4; i++) {
				float32x4_t b = vld1q_f32(w + 16 * lane +
							  4 * i);

				for (int t = 0; t < tile; t++)
					acc[t][i] = add_product(acc[t][i], b,
								a[t], lane);
			}
	}
	for (int t = 0; t < tile; t++) {
		float *out = g->out + (p + (size_t)t) * g->out_step + o0;
		float whole[16];

		for (int i = 0; i < 4; i++) {
			float32x4_t y = acc[t][i];

			if (g->slope != NULL)
				y = vbslq_f32(
					is_negative(y),
					vmulq_f32(y, vld1q_f32(g->slope + o0 +
							       4 * i)),
					y);
			vst1q_f32((n == 16 ? out : whole) + 4 * i, y);
		}
		if (n < 16)
			memcpy(out, whole, n * sizeof(float));
	}
}

static void blocks_f32(const struct k_gemm_f32 *g)
{
	const float *w = g->weights;

	for (size_t o0 = 0; o0 < g->channels; o0 += 16, w += g->k * 16) {
		size_t p = 0;

		for (; p + TILE <= g->pixels; p += TILE)
			block_f32(g, p, o0, w, TILE);
		for (; p < g->pixels; p++)
			block_f32(g, p, o0, w, 1);
	}
}

#ifdef __aarch64__
void k_gemm_f32_neon(const struct k_gemm_f32 *g)
{
	blocks_f32(g);
}
#else
/* FPSCR's sticky flags: a vector operation has flushed an operand or a result
 * to zero. */
#define FLUSHED ((1u << 7) | (1u << 3)) /* IDC, UFC */

void k_gemm_f32_neon(const struct k_gemm_f32 *g)
{
	uint32_t flags;

	__asm__ volatile("vmrs %0, fpscr" : "=r"(flags) : : "memory");
	__asm__ volatile("vmsr fpscr, %0" : : "r"(flags & ~FLUSHED) : "memory");
	blocks_f32(g);
	__asm__ volatile("vmrs %0, fpscr" : "=r"(flags) : : "memory");
	if (flags & FLUSHED)
		k_table_scalar.gemm_f32(g);
}
#endif

#ifdef __aarch64__
INLINE uint32x4_t greater(float32x4_t a, float32x4_t b)
{
	return vcgtq_f32(a, b);
}
#else
/* An integer that orders floats, both zeros the same. */
INLINE int32x4_t order(float32x4_t v)
{
	int32x4_t bits = vreinterpretq_s32_f32(v);

	return vbslq_s32(vcltq_s32(bits, vdupq_n_s32(0)),
			 vsubq_s32(vdupq_n_s32(INT32_MIN), bits), bits);
}

INLINE uint32x4_t greater(float32x4_t a, float32x4_t b)
{
	return vcgtq_s32(order(a), order(b));
}
#endif

/* Not the maximum instruction, which knows +0 from -0. */
void k_maxpool_f32_neon(const float *const *taps, size_t tap_count,
			size_t channels, float *out)
{
	size_t c = 0;

	for (; c + 4 <= channels; c += 4) {
		float32x4_t top = vld1q_f32(taps[0] + c);

		for (size_t t = 1; t < tap_count; t++) {
			float32x4_t tap = vld1q_f32(taps[t] + c);

			top = vbslq_f32(greater(tap, top), tap, top);
		}
		vst1q_f32(out + c, top);
	}
	for (; c < channels; c++) {
		float top = taps[0][c];

		for (size_t t = 1; t < tap_count; t++)
			if (taps[t][c] > top)
				top = taps[t][c];
		out[c] = top;
	}
}
