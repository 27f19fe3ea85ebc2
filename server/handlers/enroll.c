/* POST /enroll: one or more pictures of one person, all or none. */
#include <stdio.h>
#include <string.h>

#include "docvalue.h"
#include "enrolment.h"
#include "handlers/handlers.h"
#include "srv.h"
#include "reply.h"

static enum status read_params(struct request *r, struct enrolment *e)
{
	const char *mode = request_param(r, "mode");
	const char *duplicate = request_param(r, "duplicate");
	enum status st = request_person(r, &e->person_id);

	if (st != ST_OK)
		return st;
	e->name = request_param(r, "name");
	if (e->name != NULL && !docvalue_name_ok(e->name))
		return err_set(&r->err, ST_BAD_REQUEST,
			       "name must have at most %d bytes and no control "
			       "characters",
			       PERSON_NAME_MAX);
	if (mode != NULL && strcmp(mode, "append") != 0 &&
	    strcmp(mode, "replace") != 0)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "mode must be append or replace");
	if (duplicate != NULL && strcmp(duplicate, "refuse") != 0 &&
	    strcmp(duplicate, "allow") != 0)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "duplicate must be refuse or allow");
	e->duplicate_ok = duplicate != NULL && strcmp(duplicate, "allow") == 0;
	e->replace = mode != NULL && strcmp(mode, "replace") == 0;
	return ST_OK;
}

static void answer(struct request *r, const struct enrolment *e, json_t *list)
{
	struct db_person person;
	size_t i;
	json_t *item;
	char where[sizeof("/people/") + PERSON_ID_MAX];

	if (db_person_get(r->srv->db, e->person_id, &person, &r->err) !=
	    ST_OK) {
		json_decref(list);
		reply_problem(r, NULL);
		return;
	}
	json_array_foreach(list, i, item) json_object_set_new(
		item, "template_id", json_integer(e->ids[i]));
	reply_json(r, 201,
		   json_pack("{s:s, s:s, s:o, s:I, s:s, s:I}", "person_id",
			     person.id, "name", person.name, "enrolled", list,
			     "templates", (json_int_t)person.templates, "model",
			     engine_info(r->srv->engine)->model_id,
			     "pool_peak_bytes",
			     (json_int_t)e->last.receipt.pool_peak_bytes));
	snprintf(where, sizeof(where), "/people/%s", person.id);
	reply_header(r, "Location", where);
}

void handle_enroll(struct request *r, unsigned slot)
{
	struct enrolment e = { 0 };
	json_t *list = json_array();
	enum status st = enrolment_read(r, slot, &e, list);

	if (st == ST_OK)
		st = read_params(r, &e);
	if (st == ST_OK)
		st = enrolment_store(r, &e);
	if (st == ST_OK) {
		picture_account(r, &e.last, -1);
		answer(r, &e, json_incref(list));
	} else {
		reply_problem(r, e.last.part);
	}
	json_decref(list);
}
