/* Who asks, and whether they may: decided from the headers alone, before a
 * byte of the body is read; but for forms that bring the key themselves.
 *
 * Threads: all of it belongs to the network thread. Memory: one block at open
 * for keys_max keys and a fixed table of failures. */
#ifndef FACEGATE_AUTH_H
#define FACEGATE_AUTH_H

#include "config.h"
#include "request.h"

struct auth;

/* Reads the keys of cfg->data_dir. cfg must outlive it. */
enum status auth_open(const struct config *cfg, struct auth **out,
		      struct errinfo *err) MUST_CHECK;
void auth_close(struct auth *a); /* NULL is fine */

/* True while there has never been a key, which is while there is no file of
 * them: everybody on this machine, and nobody else, may do everything. */
bool auth_keyless(const struct auth *a);

/* When the body of a request is there: ST_BAD_SIGNATURE, told in r->err, when
 * it was signed and this is not the body it was signed with. */
enum status auth_body(struct request *r) MUST_CHECK;

/* Sets r->role and r->key_id for r->route. Keys that were added or revoked
 * since count from the next call on. ST_NO_KEY, ST_WRONG_ROLE, ST_LOCKED_OUT
 * (r->retry_s is set), ST_BAD_REQUEST for two keys that differ, ST_NOT_READY
 * when the keys cannot be read. */
enum status auth_check(struct auth *a, struct request *r) MUST_CHECK;

/* For routes whose body is a form (BODY_FORM), when the headers have no key:
 * auth_check lets the request in with r->key_due set, so that nothing is done
 * but to hold its body. This judges the key of the complete form, NULL or ""
 * for none, and clears key_due when it is right. */
enum status auth_form(struct auth *a, struct request *r,
		      const char *text) MUST_CHECK;

#endif
