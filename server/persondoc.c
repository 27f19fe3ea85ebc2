#include "persondoc.h"

#include <stdio.h>

#include "credential.h"
#include "docvalue.h"
#include "jsonvalue.h"

static json_t *time_or_null(int64_t ms)
{
	return ms != 0 ? jsonvalue_time(ms) : json_null();
}

static json_t *card_json(const struct db_card *c)
{
	if (c->number < 0)
		return json_null();
	return json_pack("{s:o, s:I}", "facility",
			 c->facility < 0 ? json_null()
					 : json_integer(c->facility),
			 "number", (json_int_t)c->number);
}

json_t *persondoc_json(const struct db_person *p)
{
	json_t *metadata = json_loads(p->metadata, 0, NULL);

	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:b, s:o, "
			 "s:o}",
			 "person_id", p->id, "name", p->name, "groups",
			 docvalue_groups_json(p->groups), "valid_from",
			 time_or_null(p->valid_from_ms), "valid_until",
			 time_or_null(p->valid_until_ms), "card",
			 card_json(&p->card), "metadata",
			 metadata ? metadata : json_object(), "templates",
			 (json_int_t)p->templates, "needs_enrolment",
			 p->templates > 0 && p->usable == 0, "created_at",
			 jsonvalue_time(p->created_ms), "updated_at",
			 jsonvalue_time(p->updated_ms));
}

static enum status take_metadata(const json_t *o, struct db_person *p,
				 struct errinfo *err)
{
	const json_t *v = json_object_get(o, "metadata");
	size_t n;

	if (v == NULL)
		return ST_OK;
	(void)snprintf(p->metadata, sizeof(p->metadata), "{}");
	if (json_is_null(v))
		return ST_OK;
	n = json_is_object(v)
		    ? json_dumpb(v, p->metadata, METADATA_MAX, JSON_COMPACT)
		    : 0;
	if (n == 0 || n > METADATA_MAX)
		return err_set(err, ST_BAD_REQUEST,
			       "metadata must be an object of at most %d bytes "
			       "of JSON",
			       METADATA_MAX);
	p->metadata[n] = '\0';
	return ST_OK;
}

static enum status take_card(const json_t *o, struct db_person *p,
			     struct errinfo *err)
{
	const json_t *v = json_object_get(o, "card");
	const json_t *facility = json_object_get(v, "facility");
	const json_t *number = json_object_get(v, "number");
	struct db_card c = { -1, -1 };

	if (v == NULL)
		return ST_OK;
	if (!json_is_null(v)) {
		c.number = json_integer_value(number);
		if (json_is_integer(facility))
			c.facility = json_integer_value(facility);
		if (!json_is_integer(number) || c.number < 0 ||
		    c.number > CARD_NUMBER_MAX ||
		    c.facility > CARD_FACILITY_MAX ||
		    (facility != NULL && !json_is_null(facility) &&
		     (!json_is_integer(facility) || c.facility < 0)) ||
		    json_object_size(v) != 1 + (size_t)(facility != NULL))
			return err_set(err, ST_BAD_REQUEST,
				       "card must be {\"facility\": 0 to %d or "
				       "null, \"number\": 0 to %lld} or null",
				       CARD_FACILITY_MAX,
				       (long long)CARD_NUMBER_MAX);
	}
	p->card = c;
	return ST_OK;
}

enum status persondoc_take(const json_t *o, struct db_person *p,
			   struct errinfo *err)
{
	enum status st = docvalue_text(o, "name", p->name, sizeof(p->name),
				       err);

	if (st == ST_OK && !docvalue_name_ok(p->name))
		st = err_set(err, ST_BAD_REQUEST,
			     "name must have no control characters");
	if (st == ST_OK)
		st = docvalue_groups(o, p->groups, err);
	if (st == ST_OK)
		st = docvalue_time(o, "valid_from", &p->valid_from_ms, err);
	if (st == ST_OK)
		st = docvalue_time(o, "valid_until", &p->valid_until_ms, err);
	if (st == ST_OK && p->valid_until_ms != 0 &&
	    p->valid_until_ms <= p->valid_from_ms)
		st = err_set(err, ST_BAD_REQUEST,
			     "valid_until must be after valid_from");
	if (st == ST_OK)
		st = take_metadata(o, p, err);
	if (st == ST_OK)
		st = take_card(o, p, err);
	return st;
}
