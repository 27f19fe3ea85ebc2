/* GET /audit: the audit log. */
#include <stdlib.h>

#include "audit.h"
#include "handlers/handlers.h"
#include "jsonvalue.h"
#include "reply.h"
#include "srv.h"

#define PAGE_MAX 200

static json_t *row_json(const void *of)
{
	const struct db_audit_row *row = of;
	char hash[2 * DB_AUDIT_HASH_BYTES + 1];

	for (size_t i = 0; i < sizeof(row->hash); i++)
		(void)snprintf(hash + 2 * i, 3, "%02x", row->hash[i]);
	return json_pack("{s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:s}", "seq",
			 (json_int_t)row->seq, "at", jsonvalue_time(row->at_ms),
			 "key_id", reply_text(row->key_id), "action",
			 row->action, "person_no",
			 row->person_key ? json_integer(row->person_key)
					 : json_null(),
			 "person_id", reply_text(row->person_id), "object",
			 reply_text(row->object), "hash", hash);
}

void handle_audit(struct request *r, unsigned slot)
{
	struct db_audit_row *page = NULL;
	int64_t limit = 0, before = 0;
	size_t n = 0;
	enum status st = request_int(r, "limit", 1, PAGE_MAX, 50, &limit);

	(void)slot;
	if (st == ST_OK)
		st = request_int(r, "before", 1, INT64_MAX, 0, &before);
	if (st == ST_OK) {
		page = request_page(r, limit, sizeof(*page));
		st = page ? ST_OK : ST_NO_MEMORY;
	}
	if (st == ST_OK)
		st = db_audit_list(r->srv->db, before, page, (size_t)limit, &n,
				   &r->err);
	reply_page(r, st,
		   &(struct reply_rows){ "audit", "seq", row_json, page,
					 sizeof(*page), n, limit });
}
