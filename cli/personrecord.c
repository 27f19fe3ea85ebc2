#include "personrecord.h"

#include <math.h>
#include <string.h>

#include "docvalue.h"
#include "jsonvalue.h"
#include "persondoc.h"

json_t *personrecord_template(const struct db_template *about,
			      const struct face_template *t)
{
	json_t *v = json_array();

	for (int i = 0; i < TEMPLATE_DIM; i++)
		json_array_append_new(v, json_integer(t->v[i]));
	return json_pack(
		"{s:I, s:s, s:o, s:s?, s:o, s:o, s:f, s:f}", "template_id",
		(json_int_t)about->id, "model", about->model_id, "quality",
		isnan(about->quality) ? json_null() : json_real(about->quality),
		"key_id", about->key_id[0] ? about->key_id : NULL, "created_at",
		jsonvalue_time(about->created_ms), "template", v, "scale",
		(double)t->scale, "length", (double)t->length);
}

/* The numbers, whose scale follows from them: another one would turn every
 * score into a match. */
static bool take_numbers(const json_t *o, struct face_template *t)
{
	const json_t *v = json_object_get(o, "template"), *item;
	double squares = 0;
	size_t i;

	if (json_array_size(v) != TEMPLATE_DIM)
		return false;
	json_array_foreach(v, i, item)
	{
		json_int_t x = json_integer_value(item);

		if (!json_is_integer(item) || x < -127 || x > 127)
			return false;
		t->v[i] = (int8_t)x;
		squares += (double)(x * x);
	}
	t->scale = (float)json_number_value(json_object_get(o, "scale"));
	t->length = (float)json_number_value(json_object_get(o, "length"));
	return fabs((double)t->scale * sqrt(squares) - 1) < 1e-4 &&
	       t->length >= 0 && t->length < 1e30F;
}

static bool model_ok(const char *id)
{
	size_t n = strlen(id);

	for (size_t i = 0; i < n; i++)
		if (id[i] <= ' ' || id[i] > '~')
			return false;
	return n > 0;
}

static enum status take_template(const json_t *o, struct personrecord *out,
				 struct errinfo *err)
{
	struct db_template *about = &out->about;
	enum status st = docvalue_text(o, "model", about->model_id,
				       sizeof(about->model_id), err);

	about->quality = (double)NAN;
	if (st == ST_OK)
		st = docvalue_real(o, "quality", 0, 100, &about->quality, err);
	if (st == ST_OK)
		st = docvalue_time(o, "created_at", &about->created_ms, err);
	if (st == ST_OK &&
	    (!model_ok(about->model_id) || about->created_ms == 0 ||
	     !take_numbers(o, &out->t)))
		st = err_set(err, ST_BAD_EXPORT,
			     "the template's numbers cannot be right");
	return st;
}

static enum status take_person(const json_t *o, struct personrecord *out,
			       struct errinfo *err)
{
	struct db_person *p = &out->person;
	enum status st = docvalue_text(o, "person_id", p->id, sizeof(p->id),
				       err);

	memcpy(p->metadata, "{}", 3);
	p->card = (struct db_card){ -1, -1 };
	if (st == ST_OK)
		st = persondoc_take(o, p, err);
	if (st == ST_OK)
		st = docvalue_time(o, "created_at", &p->created_ms, err);
	if (st == ST_OK && (!docvalue_id_ok(p->id) || p->created_ms == 0))
		st = err_set(err, ST_BAD_EXPORT, "the person has no valid id");
	return st;
}

enum status personrecord_read(const char *line, size_t n,
			      struct personrecord *out, struct errinfo *err)
{
	json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
	struct errinfo why;
	enum status st;

	memset(out, 0, sizeof(*out));
	err_clear(&why);
	out->is_template = json_object_get(o, "template") != NULL;
	if (out->is_template)
		st = take_template(o, out, &why);
	else if (json_object_get(o, "person_id") != NULL)
		st = take_person(o, out, &why);
	else
		st = err_set(&why, ST_BAD_EXPORT,
			     "it is neither a person nor a template");
	json_decref(o);
	return st == ST_OK ? ST_OK
			   : err_set(err, ST_BAD_EXPORT, "%s", why.text);
}
