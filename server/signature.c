#include "signature.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SCHEME	    "Facegate-HMAC-SHA256 "
#define HEX_CHARS   (2 * SHA256_DIGEST_SIZE)
#define NONCE_LEAST 16

bool signature_meant(const char *header)
{
	return header != NULL &&
	       strncasecmp(header, SCHEME, strlen(SCHEME)) == 0;
}

bool signature_parse(const char *header, struct signature *out)
{
	char time[12 + 1], body[HEX_CHARS + 1], mac[HEX_CHARS + 1];
	int end = 0;

	if (!signature_meant(header) ||
	    sscanf(header + strlen(SCHEME),
		   " id=%8[0-9a-f], time=%12[0-9], nonce=%64[A-Za-z0-9_-], "
		   "body=%64[0-9a-f], signature=%64[0-9a-f] %n",
		   out->id, time, out->nonce, body, mac, &end) != 5 ||
	    end == 0 || header[strlen(SCHEME) + (size_t)end] != '\0')
		return false;
	out->time_s = strtoll(time, NULL, 10);
	return strlen(out->id) == KEY_ID_CHARS &&
	       strlen(out->nonce) >= NONCE_LEAST &&
	       keystore_from_hex(body, out->body, sizeof(out->body)) &&
	       keystore_from_hex(mac, out->mac, sizeof(out->mac));
}

/* False for a method that is too long to be one. */
static bool mac_of(const struct signature *s, struct sha256_ctx *address,
		   const char *method, const uint8_t key[KEY_HASH_BYTES],
		   uint8_t mac[SHA256_DIGEST_SIZE])
{
	uint8_t text[SHA256_DIGEST_SIZE];
	struct hmac_sha256_ctx hmac;
	char rest[160 + HEX_CHARS];
	size_t n;

	n = (size_t)snprintf(rest, sizeof(rest), "\n%s\n%lld\n%s\n", method,
			     (long long)s->time_s, s->nonce);
	if (n + HEX_CHARS >= sizeof(rest))
		return false;
	keystore_to_hex(s->body, sizeof(s->body), rest + n);
	sha256_update(address, n + HEX_CHARS, (const uint8_t *)rest);
	sha256_digest(address, sizeof(text), text);
	hmac_sha256_set_key(&hmac, KEY_HASH_BYTES, key);
	hmac_sha256_update(&hmac, sizeof(text), text);
	hmac_sha256_digest(&hmac, SHA256_DIGEST_SIZE, mac);
	explicit_bzero(&hmac, sizeof(hmac));
	return true;
}

bool signature_fits(const struct signature *s, struct sha256_ctx *address,
		    const char *method, const uint8_t key[KEY_HASH_BYTES])
{
	uint8_t mac[SHA256_DIGEST_SIZE];

	return mac_of(s, address, method, key, mac) &&
	       memeql_sec(mac, s->mac, sizeof(mac)) != 0;
}

static void hash(const void *bytes, size_t n, uint8_t out[SHA256_DIGEST_SIZE])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, n, bytes);
	sha256_digest(&ctx, SHA256_DIGEST_SIZE, out);
	explicit_bzero(&ctx, sizeof(ctx));
}

enum status signature_make(const char *key, const char *method,
			   const char *address, const void *body, size_t n,
			   int64_t now_s, char out[SIGNATURE_TEXT_BYTES],
			   struct errinfo *err)
{
	char digest[HEX_CHARS + 1], mac[HEX_CHARS + 1];
	uint8_t secret[KEY_HASH_BYTES], random[NONCE_LEAST];
	struct signature s = { .time_s = now_s };
	struct sha256_ctx ctx;
	enum status st;

	if (strlen(key) != KEY_TEXT_CHARS ||
	    sscanf(key, "fg_%8[0-9a-f]_", s.id) != 1 ||
	    strlen(s.id) != KEY_ID_CHARS)
		return err_set(err, ST_BAD_CONFIG,
			       "what should sign is no key of facegate's");
	st = keystore_random(random, sizeof(random), err);
	if (st != ST_OK)
		return st;
	keystore_to_hex(random, sizeof(random), s.nonce);
	hash(body, n, s.body);
	hash(key, KEY_TEXT_CHARS, secret);
	sha256_init(&ctx);
	sha256_update(&ctx, strlen(address), (const uint8_t *)address);
	(void)mac_of(&s, &ctx, method, secret, s.mac);
	explicit_bzero(secret, sizeof(secret));
	keystore_to_hex(s.body, sizeof(s.body), digest);
	keystore_to_hex(s.mac, sizeof(s.mac), mac);
	(void)snprintf(out, SIGNATURE_TEXT_BYTES,
		       SCHEME "id=%s, time=%lld, nonce=%s, body=%s, "
			      "signature=%s",
		       s.id, (long long)now_s, s.nonce, digest, mac);
	return ST_OK;
}
