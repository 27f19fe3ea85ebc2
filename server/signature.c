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

bool signature_fits(const struct signature *s, struct sha256_ctx *address,
		    const char *method, const uint8_t key[KEY_HASH_BYTES])
{
	uint8_t text[SHA256_DIGEST_SIZE], mac[SHA256_DIGEST_SIZE];
	struct hmac_sha256_ctx hmac;
	char rest[160 + HEX_CHARS];
	size_t n;

	n = (size_t)snprintf(rest, sizeof(rest), "\n%s\n%lld\n%s\n", method,
			     (long long)s->time_s, s->nonce);
	if (n + HEX_CHARS >= sizeof(rest))
		return false; /* no method is that long */
	keystore_to_hex(s->body, sizeof(s->body), rest + n);
	sha256_update(address, n + HEX_CHARS, (const uint8_t *)rest);
	sha256_digest(address, sizeof(text), text);
	hmac_sha256_set_key(&hmac, KEY_HASH_BYTES, key);
	hmac_sha256_update(&hmac, sizeof(text), text);
	hmac_sha256_digest(&hmac, sizeof(mac), mac);
	explicit_bzero(&hmac, sizeof(hmac));
	return memeql_sec(mac, s->mac, sizeof(mac)) != 0;
}
