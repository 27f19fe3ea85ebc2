#include "auditchain.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static_assert(crypto_generichash_KEYBYTES == DB_AUDIT_HASH_BYTES &&
		      crypto_generichash_BYTES == DB_AUDIT_HASH_BYTES,
	      "the key and the hash of a row");

void auditchain_begin(struct auditchain *c)
{
	*c = (struct auditchain){ .restarted = 0 };
	randombytes_buf(c->key, sizeof c->key);
}

static uint8_t *put(uint8_t *out, const void *bytes, size_t n)
{
	memcpy(out, bytes, n);
	return out + n;
}

static uint8_t *put_number(uint8_t *out, int64_t v)
{
	for (int i = 0; i < 8; i++)
		*out++ = (uint8_t)((uint64_t)v >> (8 * i));
	return out;
}

static const uint8_t *get(const uint8_t *in, void *bytes, size_t n)
{
	memcpy(bytes, in, n);
	return in + n;
}

static const uint8_t *get_number(const uint8_t *in, int64_t *v)
{
	uint64_t bits = 0;

	for (int i = 0; i < 8; i++)
		bits |= (uint64_t)*in++ << (8 * i);
	*v = (int64_t)bits;
	return in;
}

void auditchain_encrypt(const struct seal *s, const struct auditchain *c,
			uint8_t out[AUDITCHAIN_SEALED_BYTES])
{
	uint8_t plain[AUDITCHAIN_SEALED_BYTES - SEAL_OVERHEAD];
	struct seal_place place;
	uint8_t *at = plain;

	at = put(at, c->key, sizeof c->key);
	at = put_number(at, c->base.seq);
	at = put(at, c->base.hash, sizeof c->base.hash);
	at = put_number(at, c->head.seq);
	at = put(at, c->head.hash, sizeof c->head.hash);
	at = put_number(at, c->restarted);
	assert(at == plain + sizeof plain);
	seal_place_begin(&place, "audit_chain", seal_newest(s));
	seal_encrypt(s, &place, plain, sizeof plain, out);
	explicit_bzero(plain, sizeof plain);
}

static bool decrypt(const struct seal *s, int64_t version, const void *sealed,
		    size_t n, struct auditchain *c)
{
	uint8_t plain[AUDITCHAIN_SEALED_BYTES - SEAL_OVERHEAD];
	const uint8_t *at = plain;
	struct seal_place place;
	bool ok;

	if (!sealed || n != AUDITCHAIN_SEALED_BYTES)
		return false;
	seal_place_begin(&place, "audit_chain", version);
	ok = seal_decrypt(s, version, &place, sealed, n, plain);
	at = get(at, c->key, sizeof c->key);
	at = get_number(at, &c->base.seq);
	at = get(at, c->base.hash, sizeof c->base.hash);
	at = get_number(at, &c->head.seq);
	at = get(at, c->head.hash, sizeof c->head.hash);
	(void)get_number(at, &c->restarted);
	explicit_bzero(plain, sizeof plain);
	return ok;
}

enum status auditchain_load(struct db *db, enum db_sql which,
			    struct auditchain *c, bool *whole,
			    struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[which];
	enum status st = ST_OK;
	const void *sealed;
	int rc = sqlite3_step(s);

	*whole = false;
	if (rc == SQLITE_ROW) {
		sealed = sqlite3_column_blob(s, 1);
		if (!sealed &&
		    sqlite3_errcode(sqlite3_db_handle(s)) == SQLITE_NOMEM)
			st = err_set(err, ST_NO_MEMORY,
				     "No memory to read the audit log.");
		else
			*whole = decrypt(db->seal, sqlite3_column_int64(s, 0),
					 sealed,
					 (size_t)sqlite3_column_bytes(s, 1), c);
	} else if (rc != SQLITE_DONE) {
		st = db_fail(sqlite3_db_handle(s), rc, "Reading the audit log",
			     err);
	}
	db_reset(s);
	return st;
}

void auditchain_hash(const struct auditchain *c,
		     const uint8_t previous[DB_AUDIT_HASH_BYTES],
		     const struct db_audit_row *row,
		     uint8_t out[DB_AUDIT_HASH_BYTES])
{
	crypto_generichash_state state;
	struct seal_place place = { .n = 0 };

	/* Texts with their lengths, so that no two rows give the same bytes. */
	seal_place_number(&place, row->seq);
	seal_place_number(&place, row->at_ms);
	seal_place_text(&place, row->key_id);
	seal_place_text(&place, row->action);
	seal_place_number(&place, row->person_key);
	seal_place_text(&place, row->object);
	(void)crypto_generichash_init(&state, c->key, sizeof c->key,
				      DB_AUDIT_HASH_BYTES);
	(void)crypto_generichash_update(&state, previous, DB_AUDIT_HASH_BYTES);
	(void)crypto_generichash_update(&state, place.bytes, place.n);
	(void)crypto_generichash_final(&state, out, DB_AUDIT_HASH_BYTES);
}
