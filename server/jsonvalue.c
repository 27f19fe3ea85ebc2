#include "jsonvalue.h"

#include <math.h>

#include "timetext.h"

json_t *jsonvalue_real(double v, int digits)
{
	double unit = 1;

	while (digits-- > 0)
		unit *= 10;
	return isfinite(v) ? json_real(rint(v * unit) / unit) : json_null();
}

json_t *jsonvalue_time(int64_t ms)
{
	char text[TIMETEXT_BYTES];

	timetext_print(ms, text);
	return json_string(text);
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

json_t *jsonvalue_quality(float overall, const struct face *f,
			  const struct face_template *t)
{
	return json_pack(
		"{s:o, s:o, s:o}", "overall",
		jsonvalue_real(floor((double)overall * 10) / 10, 1),
		"inter_eye_px", jsonvalue_real((double)f->inter_eye_px, 1),
		"embedding_length", jsonvalue_real((double)t->length, 2));
}
