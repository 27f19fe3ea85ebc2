#include "transform.h"

#include "face/embed.h"

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

/* A Hadamard matrix is its own inverse, but for the scale. */
void transform_undo(const struct transform *t, float v[TEMPLATE_DIM])
{
	float w[TEMPLATE_DIM];

	for (int r = TRANSFORM_ROUNDS - 1; r >= 0; r--) {
		hadamard(v);
		for (int i = 0; i < TEMPLATE_DIM; i++)
			w[t->from[r][i] % TEMPLATE_DIM] = t->minus[r][i] ? -v[i]
									 : v[i];
		for (int i = 0; i < TEMPLATE_DIM; i++)
			v[i] = w[i];
	}
	for (int i = 0; i < TEMPLATE_DIM; i++)
		v[i] *= SCALE;
}

void transform_template(const struct transform *t, bool undo,
			struct face_template *out)
{
	float v[TEMPLATE_DIM], length = out->length;

	for (int i = 0; i < TEMPLATE_DIM; i++)
		v[i] = (float)out->v[i];
	if (undo)
		transform_undo(t, v);
	else
		transform_rotate(t, v);
	(void)embed_quantise(v, out);
	out->length = length;
}
