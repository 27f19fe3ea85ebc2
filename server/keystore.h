/* API keys: a small text file in the data folder, one line a key, written by
 * the command line tool and read by the daemon, also while both run.
 *
 * A key is "fg_" + 8 hexadecimal digits, its public id, + "_" + 64 digits, 256
 * random bits. The file holds the SHA-256 of that text and never the key. The
 * certificate of a client may stand for a key: then it is its SHA-256.
 * Threads: no state; a file that changes is replaced as a whole, under a lock
 * between processes. */
#ifndef FACEGATE_KEYSTORE_H
#define FACEGATE_KEYSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* Who may do what is in router.c. An admin may do everything. */
enum role {
	ROLE_DOOR = 1,
	ROLE_KIOSK = 2,
	ROLE_AUDITOR = 4,
	ROLE_ADMIN = 8,
	ROLE_ANY = 15
};

/* What shows that a request comes from whom it says. */
enum key_kind {
	KEY_BEARER,	 /* the key itself, in a header */
	KEY_CERTIFICATE, /* the connection's certificate */
	KEY_SIGNING	 /* a signature made with it, see signature.h */
};

#define KEY_ID_CHARS   8
#define KEY_TEXT_CHARS (3 + KEY_ID_CHARS + 1 + 64)
#define KEY_LABEL_MAX  64 /* bytes of UTF-8 without control characters */
#define KEY_HASH_BYTES 32
#define KEYS_FILE      "keys"

struct keystore_key {
	char id[KEY_ID_CHARS + 1];
	char label[KEY_LABEL_MAX + 1]; /* what it is for; "" for none */
	uint8_t hash[KEY_HASH_BYTES];
	enum key_kind kind;
	enum role role; /* one bit */
	int64_t created_ms;
};

/* "door", "kiosk", "auditor", "admin"; NULL for none of them. */
const char *keystore_role_word(enum role role);
/* "bearer", "certificate", "signing". */
const char *keystore_kind_word(enum key_kind kind);
bool keystore_role_named(const char *word, enum role *out);

/* Wipes and frees room for max keys, of which signing ones are secrets; NULL is
 * fine. */
void keystore_free(struct keystore_key *keys, size_t max);

/* Reads dir's keys; none when there is no file yet. ST_BAD_CONFIG when the
 * file is damaged or holds more than cap, ST_IO_ERROR when it cannot be read.
 */
enum status keystore_load(const char *dir, struct keystore_key *keys,
			  size_t cap, size_t *count,
			  struct errinfo *err) MUST_CHECK;

/* Makes a bearer or signing key and stores its hash; text is the only copy of
 * the key itself. At most max keys. ST_BAD_REQUEST for a label that is not one;
 * ST_BAD_CONFIG when max is reached; ST_IO_ERROR, ST_DISK_FULL, ST_NO_MEMORY.
 */
enum status keystore_add(const char *dir, size_t max, enum role role,
			 enum key_kind kind, const char *label, int64_t now_ms,
			 char text[KEY_TEXT_CHARS + 1],
			 struct errinfo *err) MUST_CHECK;
/* The same for the SHA-256 of a certificate, which is then the key; id is the
 * new one's. ST_BAD_REQUEST when it is one already. */
enum status keystore_add_certificate(const char *dir, size_t max,
				     enum role role, const char *label,
				     int64_t now_ms,
				     const uint8_t hash[KEY_HASH_BYTES],
				     char id[KEY_ID_CHARS + 1],
				     struct errinfo *err) MUST_CHECK;
/* ST_BAD_REQUEST when no key has this id. */
enum status keystore_revoke(const char *dir, size_t max, const char *id,
			    struct errinfo *err) MUST_CHECK;

/* The key with the id that text carries, or NULL: for the id alone, which is
 * no secret. */
const struct keystore_key *keystore_named(const struct keystore_key *keys,
					  size_t count, const char *text);
/* The key with this id, or NULL. */
const struct keystore_key *keystore_by_id(const struct keystore_key *keys,
					  size_t count, const char *id);
/* The key that this certificate is, or NULL. */
const struct keystore_key *
keystore_certificate(const struct keystore_key *keys, size_t count,
		     const uint8_t hash[KEY_HASH_BYTES]);
/* Whether text is this very bearer key; takes the same time for every text. */
bool keystore_is(const struct keystore_key *key, const char *text);

/* n bytes as lower-case digits with a NUL, and back; false for other text. */
void keystore_to_hex(const uint8_t *bytes, size_t n, char *out);
/* At most 256 random bytes from the system. */
enum status keystore_random(uint8_t *out, size_t n,
			    struct errinfo *err) MUST_CHECK;
bool keystore_from_hex(const char *text, uint8_t *out, size_t n);

#endif
