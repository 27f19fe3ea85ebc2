#include "decide.h"

#include <math.h>

#define COMPANY_CONFIDENCE  0.9f
#define COMPANY_WIDTH_ENROL 0.5f
#define COMPANY_WIDTH_PROBE 0.8f

const char *decide_word(enum decision d)
{
	static const char *const words[] = { "allow", "deny", "unsure" };

	return words[d];
}

enum status decide_person(const struct face *faces, size_t count,
			  enum decide_purpose purpose, int64_t min_inter_eye_px,
			  struct errinfo *err)
{
	float share = purpose == DECIDE_ENROL ? COMPANY_WIDTH_ENROL
					      : COMPANY_WIDTH_PROBE;
	size_t company = 0;

	if (count == 0)
		return err_set(err, ST_NO_FACE,
			       "no face was found in the picture");
	for (size_t i = 1; i < count; i++)
		company += faces[i].confidence >= COMPANY_CONFIDENCE &&
			   faces[i].box[2] >= share * faces[0].box[2];
	if (company > 0)
		return err_limit(err, ST_SEVERAL_FACES, 1, (int64_t)company + 1,
				 "%zu faces of similar size are in the "
				 "picture; one person must stand out",
				 company + 1);
	if (faces[0].inter_eye_px < (float)min_inter_eye_px)
		return err_limit(err, ST_FACE_TOO_SMALL, min_inter_eye_px,
				 (int64_t)faces[0].inter_eye_px,
				 "the eyes are %.0f pixels apart, %lld are "
				 "needed: step closer",
				 (double)faces[0].inter_eye_px,
				 (long long)min_inter_eye_px);
	return ST_OK;
}

enum status decide_quality(float quality, int64_t min, struct errinfo *err)
{
	if (quality >= (float)min)
		return ST_OK;
	return err_limit(err, ST_LOW_QUALITY, min, (int64_t)quality,
			 "the picture's quality is %.1f of 100, %lld is "
			 "needed: look at the camera, hold still, let light in",
			 floor((double)quality * 10) / 10, (long long)min);
}

double decide_search_fmr(double target_fmr, size_t count)
{
	return count > 1 ? target_fmr / (double)count : target_fmr;
}

enum decision decide_score(float score, float cut, bool low_quality,
			   const char **reason)
{
	if (low_quality) {
		*reason = "low_quality";
		return DECIDE_UNSURE;
	}
	if (score >= cut) {
		*reason = "match";
		return DECIDE_ALLOW;
	}
	*reason = "below_threshold";
	return DECIDE_DENY;
}

double decide_confidence(float score, float cut)
{
	const double at_cut = 0.67;
	double s = (double)score, c = (double)cut, confidence;

	if (score >= cut)
		confidence = at_cut + (1 - at_cut) * (s - c) / (1 - c);
	else
		confidence = at_cut * (s + 1) / (c + 1);
	return round(100 * fmin(fmax(confidence, 0), 1)) / 100;
}
