#include "templatekey.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "secret.h"

#define KEY_MIN 32 /* characters: 16 bytes of a hexadecimal key at least */

/* Bytes that follow from the key: SHA-256 of the key and a count, block after
 * block. */
struct stream {
	const char *key;
	uint64_t block;
	uint8_t bytes[SHA256_DIGEST_SIZE];
	size_t used;
};

static void next_block(struct stream *s)
{
	static const char use[] = "facegate template rotation 1";
	struct sha256_ctx ctx;
	uint8_t count[8];

	for (int i = 0; i < 8; i++)
		count[i] = (uint8_t)(s->block >> (8 * i));
	s->block++;
	sha256_init(&ctx);
	sha256_update(&ctx, sizeof(use), (const uint8_t *)use);
	sha256_update(&ctx, sizeof(count), count);
	sha256_update(&ctx, strlen(s->key), (const uint8_t *)s->key);
	sha256_digest(&ctx, sizeof(s->bytes), s->bytes);
	explicit_bzero(&ctx, sizeof(ctx));
	s->used = 0;
}

static unsigned next_byte(struct stream *s)
{
	if (s->used == sizeof(s->bytes))
		next_block(s);
	return s->bytes[s->used++];
}

/* 0 to n - 1, each as likely as any other; n at most 128. */
static unsigned next_below(struct stream *s, unsigned n)
{
	unsigned v, most = 256 - 256 % n;

	do
		v = next_byte(s);
	while (v >= most);
	return v % n;
}

static void make_round(struct stream *s, uint8_t from[TEMPLATE_DIM],
		       uint8_t minus[TEMPLATE_DIM])
{
	for (unsigned i = 0; i < TEMPLATE_DIM; i++) {
		unsigned other = next_below(s, i + 1);

		from[i] = from[other];
		from[other] = (uint8_t)i;
		minus[i] = (uint8_t)(next_byte(s) & 1);
	}
}

enum status templatekey_load(const struct config *cfg, struct transform *out,
			     struct errinfo *err)
{
	char key[SECRET_MAX + 1];
	struct stream s = { .key = key, .used = SHA256_DIGEST_SIZE };
	enum status st = secret_read("template_key_file",
				     cfg->template_key_file, key, err);

	memset(out, 0, sizeof(*out));
	if (st == ST_OK && strlen(key) < KEY_MIN)
		st = err_set(err, ST_BAD_CONFIG,
			     "template_key_file: a key has at least %d "
			     "characters",
			     KEY_MIN);
	for (int r = 0; st == ST_OK && r < TRANSFORM_ROUNDS; r++)
		make_round(&s, out->from[r], out->minus[r]);
	/* Bytes that no round has used: they tell nothing of the others. */
	next_block(&s);
	(void)snprintf(out->id, sizeof(out->id), "%02x%02x%02x%02x", s.bytes[0],
		       s.bytes[1], s.bytes[2], s.bytes[3]);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(&s, sizeof(s));
	return st;
}
