/* The two ends of the audit log's chain, and what joins its rows. For the files
 * of db/ alone. */
#ifndef FACEGATE_DB_AUDITCHAIN_H
#define FACEGATE_DB_AUDITCHAIN_H

#include "audit.h"
#include "internal.h"

/* Encrypted in the one row of the table audit_chain. Rows up to and with the
 * base have been taken by retention: the chain begins behind it. */
struct auditchain {
	uint8_t key[DB_AUDIT_HASH_BYTES];
	struct db_audit_anchor base, head;
	int64_t restarted; /* the row the chain was begun anew with, or 0 */
};

/* A chain without rows. */
void auditchain_begin(struct auditchain *c);
#define AUDITCHAIN_SEALED_BYTES (32 + 2 * (8 + 32) + 8 + SEAL_OVERHEAD)
void auditchain_encrypt(const struct seal *s, const struct auditchain *c,
			uint8_t out[AUDITCHAIN_SEALED_BYTES]);
/* Reads it by the statement AUDIT_CHAIN or AUDIT_CHAIN_READ. *whole is false
 * when it is not there or does not decrypt. */
enum status auditchain_load(struct db *db, enum db_sql which,
			    struct auditchain *c, bool *whole,
			    struct errinfo *err) MUST_CHECK;

/* The hash of a row behind one with the hash `previous`, which out may be. */
void auditchain_hash(const struct auditchain *c,
		     const uint8_t previous[DB_AUDIT_HASH_BYTES],
		     const struct db_audit_row *row,
		     uint8_t out[DB_AUDIT_HASH_BYTES]);

#endif
