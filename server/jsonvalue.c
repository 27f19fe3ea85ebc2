#include "jsonvalue.h"

#include <math.h>

json_t *jsonvalue_real(double v, int digits)
{
	double unit = pow(10.0, digits);

	return isfinite(v) ? json_real(rint(v * unit) / unit) : json_null();
}

static json_t *list(const float *v, size_t n, int digits)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, jsonvalue_real((double)v[i], digits));
	return a;
}

json_t *jsonvalue_face(const struct face *f, int pixel_digits,
		       int confidence_digits)
{
	json_t *marks = json_array();

	for (int i = 0; i < 5; i++)
		json_array_append_new(marks,
				      list(f->landmarks[i], 2, pixel_digits));
	return json_pack(
		"{s:o, s:o, s:o}", "box", list(f->box, 4, pixel_digits),
		"landmarks", marks, "confidence",
		jsonvalue_real((double)f->confidence, confidence_digits));
}
