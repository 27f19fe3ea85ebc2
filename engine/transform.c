#include "transform.h"

/* 128^(1/2) for each round. */
#define SCALE (1.0f / 16384.0f)

_Static_assert(TEMPLATE_DIM == 128 && TRANSFORM_ROUNDS == 4,
	       "the scale of the Hadamard matrices");

static void hadamard(float v[TEMPLATE_DIM])
{
	for (int half = 1; half < TEMPLATE_DIM; half *= 2)
		for (int at = 0; at < TEMPLATE_DIM; at += 2 * half)
			for (int i = at; i < at + half; i++) {
				float a = v[i], b = v[i + half];

				v[i] = a + b;
				v[i + half] = a - b;
			}
}

void transform_rotate(const struct transform *t, float v[TEMPLATE_DIM])
{
	float w[TEMPLATE_DIM];

	for (int r = 0; r < TRANSFORM_ROUNDS; r++) {
		for (int i = 0; i < TEMPLATE_DIM; i++) {
			float x = v[t->from[r][i] % TEMPLATE_DIM];

			w[i] = t->minus[r][i] ? -x : x;
		}
		hadamard(w);
		for (int i = 0; i < TEMPLATE_DIM; i++)
			v[i] = w[i];
	}
	for (int i = 0; i < TEMPLATE_DIM; i++)
		v[i] *= SCALE;
}
