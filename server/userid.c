#include "userid.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "docvalue.h"

#define DIGEST_BYTES 4

bool userid_to_id(const char *userid, char id[PERSON_ID_MAX + 1])
{
	uint8_t digest[DIGEST_BYTES];
	struct sha256_ctx ctx;
	size_t n = strlen(userid);

	if (n == 0 || !docvalue_name_ok(userid) ||
	    strcmp(userid, "unknown") == 0)
		return false;
	(void)snprintf(id, PERSON_ID_MAX + 1, "%s", userid);
	if (docvalue_id_ok(userid))
		return true;
	sha256_init(&ctx);
	sha256_update(&ctx, n, (const uint8_t *)userid);
	sha256_digest(&ctx, sizeof(digest), digest);
	if (n > PERSON_ID_MAX - 1 - 2 * DIGEST_BYTES)
		n = PERSON_ID_MAX - 1 - 2 * DIGEST_BYTES;
	for (size_t i = 0; i < n; i++) {
		const char one[] = { id[i], '\0' };

		/* A full stop alone is no id, but within one it is fine. */
		if (!docvalue_id_ok(one) && id[i] != '.')
			id[i] = '_';
	}
	(void)snprintf(id + n, PERSON_ID_MAX + 1 - n, "-%02x%02x%02x%02x",
		       digest[0], digest[1], digest[2], digest[3]);
	return true;
}

const char *userid_of(const struct db_person *p)
{
	char id[PERSON_ID_MAX + 1];

	return userid_to_id(p->name, id) && strcmp(id, p->id) == 0 ? p->name
								   : p->id;
}
