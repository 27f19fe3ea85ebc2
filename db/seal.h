/* The keys that rows are encrypted with, and the encryption of one row.
 *
 * XChaCha20-Poly1305 from libsodium: a random nonce for every row written, and
 * what the row is (its table, its number, whose it is) goes into the tag, so
 * that a row moved or changed does not open. Keys lie in memory that is locked,
 * left out of core dumps and wiped when freed.
 * Threads: a keyring is never changed once loaded; whoever replaces one keeps
 * the others from using it meanwhile.
 */
#ifndef FACEGATE_DB_SEAL_H
#define FACEGATE_DB_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "status.h"

#define SEAL_KEYS_MAX 4		/* in one file */
#define SEAL_OVERHEAD (24 + 16) /* nonce and tag, in bytes */

struct seal; /* a keyring */

/* Reads the key file: a line "facegate key 1", then a line "VERSION KEY" a key,
 * versions rising, the key in 64 hexadecimal digits. Rows are written with the
 * last one. With make, a file that is not there is made, with one random key
 * and mode 0400, and is on the disk when this returns. ST_BAD_KEY_FILE for a
 * file that is missing, is no key file or is open to others; ST_IO_ERROR,
 * ST_DISK_FULL, ST_NO_MEMORY. */
enum status seal_load(const char *path, bool make, struct seal **out,
		      struct errinfo *err) MUST_CHECK;
void seal_free(struct seal *s); /* NULL is fine */

/* Whether the file at path is another than the one the keyring was read from.
 */
bool seal_is_stale(const struct seal *s, const char *path);

/* Replace the file at path, whole or not at all: by one with a new key behind
 * the one it has, unless it has several already, because an earlier change has
 * not ended; and by one with its newest key alone. ST_DATABASE_BUSY while
 * another process does the same. */
enum status seal_add_key(const char *path, int64_t *newest,
			 struct errinfo *err) MUST_CHECK;
enum status seal_keep_newest(const char *path, struct errinfo *err) MUST_CHECK;

int64_t seal_newest(const struct seal *s);
bool seal_has(const struct seal *s, int64_t version);

/* What a row is: bound to the row without being stored with it. */
struct seal_place {
	uint8_t bytes[512];
	size_t n;
};
void seal_place_begin(struct seal_place *p, const char *table, int64_t version);
void seal_place_number(struct seal_place *p, int64_t v);
void seal_place_text(struct seal_place *p, const char *text);

/* Encrypts n bytes with the newest key, for a place of that version; out takes
 * n + SEAL_OVERHEAD. */
void seal_encrypt(const struct seal *s, const struct seal_place *p,
		  const void *plain, size_t n, uint8_t *out);
/* Decrypts n bytes, SEAL_OVERHEAD of which are gone in plain. False, with plain
 * zeroed, when there is no such key or the tag does not fit. */
bool seal_decrypt(const struct seal *s, int64_t version,
		  const struct seal_place *p, const void *sealed, size_t n,
		  void *plain);

#endif
