#include "budget.h"

#include <stdio.h>

#include "checked.h"
#include "server.h"
#include "store_setup.h"
#include "upload.h"

#define PROGRAMS_BYTES	 ((size_t)16 * 1024 * 1024)
#define KERNEL_BYTES	 ((size_t)384 * 1024) /* a connection */
#define LIMIT_STEP_BYTES ((size_t)16 * 1024 * 1024)

void budget_complete(struct budget *b, const struct config *cfg)
{
	const struct budget_row own[] = {
		{ .name = "uploads",
		  .bytes = upload_bytes(UPLOAD_RING_BYTES) *
			   srv_upload_slots(cfg) },
		{ .name = "DeepStack's forms",
		  .bytes = upload_bytes(srv_form_ring_bytes(cfg)) *
			   srv_form_slots(cfg) },
		{ .name = "crops of enrolments",
		  .bytes = (size_t)UPLOAD_PICTURES_MAX * FACE_CROP_BYTES *
			   srv_crop_slots(cfg) },
		{ .name = "connections, at most",
		  .bytes = SRV_CONNECTION_BYTES *
			   (size_t)cfg->connections_max },
		{ .name = "their TLS, at most",
		  .bytes = cfg->tls_cert[0] != '\0'
				   ? (size_t)SRV_TLS_BYTES *
					     (size_t)cfg->connections_max
				   : 0 },
		{ .name = "database heap, at most",
		  .bytes = SRV_DB_HEAP_BYTES },
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		b->rows[b->count++] = own[i];
	b->sum = b->mapped = 0;
	for (size_t i = 0; i < b->count; i++) {
		if (b->rows[i].mapped)
			b->mapped += b->rows[i].bytes;
		else if (!b->rows[i].in_pool)
			b->sum += b->rows[i].bytes;
	}
	b->limit = align_up(b->sum + b->mapped + PROGRAMS_BYTES +
				    KERNEL_BYTES * (size_t)cfg->connections_max,
			    LIMIT_STEP_BYTES);
}

void budget_print(const struct budget_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		printf("%s%-*s %12zu%s\n", rows[i].in_pool ? "  " : "",
		       rows[i].in_pool ? 32 : 34, rows[i].name, rows[i].bytes,
		       rows[i].mapped ? "  mapped, shared" : "");
}

json_t *budget_json(const struct budget_row *rows, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(
			list,
			json_pack("{s:s, s:I, s:b, s:b}", "name", rows[i].name,
				  "bytes", (json_int_t)rows[i].bytes, "mapped",
				  rows[i].mapped, "in_pool", rows[i].in_pool));
	return list;
}
