/* Signed requests: who has only recorded one can neither change it nor send it
 * again. The header is
 *
 *	Authorization: Facegate-HMAC-SHA256 id=ID, time=SECONDS, nonce=NONCE,
 *	    body=DIGEST, signature=SIGNATURE
 *
 * on one line: the key's id, Unix seconds, 16 to 64 characters of [A-Za-z0-9_-]
 * that make the request unique, the SHA-256 of the body and the HMAC-SHA256,
 * both as lower-case digits. The HMAC's key is the SHA-256 of the API key, its
 * text the SHA-256 of address, method, time, nonce and digest with a line feed
 * between each two.
 *
 * That each is taken once is replay.h's. Threads: no state. */
#ifndef FACEGATE_SIGNATURE_H
#define FACEGATE_SIGNATURE_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdint.h>

#include "keystore.h"
#include "status.h"

struct signature {
	char id[KEY_ID_CHARS + 1];
	int64_t time_s;
	char nonce[64 + 1];
	uint8_t body[SHA256_DIGEST_SIZE], mac[SHA256_DIGEST_SIZE];
};

/* Whether a header's value is meant to be a signature; may be NULL. */
bool signature_meant(const char *header);
/* False when it is not of the form above. */
bool signature_parse(const char *header, struct signature *out);
/* address has taken the request's address as it was on the wire; it is used
 * up. */
bool signature_fits(const struct signature *s, struct sha256_ctx *address,
		    const char *method, const uint8_t key[KEY_HASH_BYTES]);

#define SIGNATURE_TEXT_BYTES 320 /* with the NUL */
/* What a client sends, with a nonce of its own: the header's value for a
 * request at now_s, Unix seconds, with a body of n bytes. key is the API key
 * itself; ST_BAD_CONFIG when it has not the form of one. */
enum status signature_make(const char *key, const char *method,
			   const char *address, const void *body, size_t n,
			   int64_t now_s, char out[SIGNATURE_TEXT_BYTES],
			   struct errinfo *err) MUST_CHECK;

#endif
