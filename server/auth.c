#include "auth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "connection.h"
#include "engine_setup.h"
#include "log.h"
#include "replay.h"
#include "router.h"
#include "signature.h"
#include "srv.h"
#include "tls.h"

/* Pairs of address and key that have failed lately. When the table is full the
 * one that failed longest ago goes. */
#define FAILURES_MAX 256

struct failure {
	uint8_t address[16];
	char key_id[KEY_ID_CHARS + 1]; /* "" for all ids that are no key's */
	unsigned count;		       /* 0: the row is free */
	uint64_t last_us;
};

struct auth {
	const struct config *cfg;
	char path[PATH_MAX];
	struct stat seen; /* of the file that keys were read from */
	bool exists;	  /* there was a file */
	bool keyless;
	bool broken; /* the file could not be read; nobody gets in */
	size_t count;
	struct keystore_key *keys; /* keys_max, in locked memory */
	struct replay *replay;
	struct failure failures[FAILURES_MAX];
};

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Looks before it reads: a file that is replaced in between is read again the
 * next time. */
static enum status refresh(struct auth *a, struct errinfo *err)
{
	struct stat now = { 0 };
	bool exists = stat(a->path, &now) == 0;
	enum status st;

	if (!exists && errno != ENOENT)
		st = err_set(err, ST_IO_ERROR, "cannot look for the keys: %s",
			     strerror(errno));
	else if (!a->broken && exists == a->exists &&
		 (!exists || same_file(&now, &a->seen)))
		return ST_OK;
	else
		st = keystore_load(a->cfg->data_dir, a->keys,
				   (size_t)a->cfg->keys_max, &a->count, err);
	a->broken = st != ST_OK;
	a->exists = exists;
	a->seen = now;
	/* Where there is a file there was a key: revoking the last one opens
	 * nothing, and losing the file nothing until the next start. */
	if (st != ST_OK || exists)
		a->keyless = false;
	return st;
}

static size_t keys_bytes(const struct auth *a)
{
	return (size_t)a->cfg->keys_max * sizeof(*a->keys);
}

enum status auth_open(const struct config *cfg, struct auth **out,
		      struct errinfo *err)
{
	struct auth *a = calloc(1, sizeof(*a));
	enum status st = ST_OK;

	*out = NULL;
	if (a != NULL)
		a->keys = calloc((size_t)cfg->keys_max, sizeof(*a->keys));
	if (a == NULL || a->keys == NULL) {
		free(a);
		return err_set(err, ST_NO_MEMORY, "no memory for the keys");
	}
	a->cfg = cfg;
	a->keyless = true;
	/* Signatures are made with what is stored here. Locked where the limit
	 * on locked memory allows it. */
	(void)mlock(a->keys, keys_bytes(a));
	st = replay_open(cfg->signature_window_s, srv_wall_ms() / 1000,
			 &a->replay, err);
	if (st == ST_OK && snprintf(a->path, sizeof(a->path), "%s/" KEYS_FILE,
				    cfg->data_dir) >= (int)sizeof(a->path))
		st = err_set(err, ST_IO_ERROR,
			     "the path of the data folder is too long");
	if (st == ST_OK)
		st = refresh(a, err);
	if (st == ST_OK)
		*out = a;
	else
		auth_close(a);
	return st;
}

void auth_close(struct auth *a)
{
	if (a == NULL)
		return;
	replay_close(a->replay);
	explicit_bzero(a->keys, keys_bytes(a));
	(void)munlock(a->keys, keys_bytes(a));
	free(a->keys);
	free(a);
}

bool auth_keyless(const struct auth *a)
{
	return a->keyless;
}

/* ---- failures ---- */

/* The client's address; of IPv6 the network of 64 bits, since one client has
 * all addresses of it. */
static void address_of(struct request *r, uint8_t out[16])
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *sa = info ? info->client_addr : NULL;

	memset(out, 0, 16);
	if (sa != NULL && sa->sa_family == AF_INET)
		memcpy(out + 8,
		       &((const struct sockaddr_in *)(const void *)sa)
				->sin_addr,
		       4);
	else if (sa != NULL && sa->sa_family == AF_INET6)
		memcpy(out,
		       &((const struct sockaddr_in6 *)(const void *)sa)
				->sin6_addr,
		       8);
}

static struct failure *find_failure(struct auth *a, const uint8_t address[16],
				    const char *key_id)
{
	for (size_t i = 0; i < FAILURES_MAX; i++) {
		struct failure *f = &a->failures[i];

		if (f->count > 0 && memcmp(f->address, address, 16) == 0 &&
		    strcmp(f->key_id, key_id) == 0)
			return f;
	}
	return NULL;
}

static void note_failure(struct auth *a, const uint8_t address[16],
			 const char *key_id)
{
	struct failure *f = find_failure(a, address, key_id);

	if (f == NULL) {
		f = &a->failures[0];
		for (size_t i = 1; i < FAILURES_MAX && f->count > 0; i++)
			if (a->failures[i].count == 0 ||
			    a->failures[i].last_us < f->last_us)
				f = &a->failures[i];
		memcpy(f->address, address, 16);
		(void)snprintf(f->key_id, sizeof(f->key_id), "%s", key_id);
		f->count = 0;
	}
	f->count++;
	f->last_us = srv_now_us();
	if (f->count == (unsigned)a->cfg->lockout_failures)
		log_line(LOG_WARN, "locked_out", "key_id=\"%s\" failures=%u",
			 key_id, f->count);
}

/* Seconds that the pair must still wait, 0 for none. */
static unsigned wait_s(struct auth *a, struct failure *f)
{
	uint64_t span = (uint64_t)a->cfg->lockout_s * 1000000;
	uint64_t since;

	if (f == NULL)
		return 0;
	since = srv_now_us() - f->last_us;
	if (since >= span) {
		f->count = 0; /* forgiven */
		return 0;
	}
	if (f->count < (unsigned)a->cfg->lockout_failures)
		return 0;
	return (unsigned)((span - since + 999999) / 1000000);
}

/* ---- the key of a request ---- */

/* The key of the headers, or NULL. */
static enum status given_key(struct request *r, const char **out)
{
	const char *bearer = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "Authorization");
	const char *plain = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "X-Api-Key");

	*out = plain;
	if (bearer == NULL || strncasecmp(bearer, "Bearer ", 7) != 0)
		return ST_OK;
	bearer += 7 + strspn(bearer + 7, " ");
	if (plain != NULL && strcmp(plain, bearer) != 0)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "Authorization and X-Api-Key give two keys");
	*out = bearer;
	return ST_OK;
}

static bool on_loopback(const char *host)
{
	static const char *const names[] = { "localhost", "127.0.0.1",
					     "[::1]" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]);

		if (strncasecmp(host, names[i], n) == 0 &&
		    (host[n] == '\0' || host[n] == ':'))
			return true;
	}
	return false;
}

/* Without keys, whoever is on this machine is trusted, and a web browser on it
 * runs the pages of strangers: neither their forms nor names of theirs that
 * lead here count. */
static enum status check_keyless(struct request *r)
{
	const char *scheme = r->srv->tls ? "https://" : "http://";
	size_t n = strlen(scheme);
	const char *host = MHD_lookup_connection_value(r->connection,
						       MHD_HEADER_KIND, "Host");
	const char *origin = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "Origin");

	if (host != NULL && !on_loopback(host))
		return err_set(&r->err, ST_NO_KEY,
			       "without keys only localhost is served, by that "
			       "name");
	if (origin != NULL &&
	    (host == NULL || strncasecmp(origin, scheme, n) != 0 ||
	     strcasecmp(origin + n, host) != 0))
		return err_set(&r->err, ST_NO_KEY,
			       "without keys no other site's page is served");
	r->role = ROLE_ADMIN;
	return ST_OK;
}

/* Lets in who has shown that key k, or NULL, is theirs, and counts who has
 * not. */
static enum status judge(struct auth *a, struct request *r,
			 const struct keystore_key *k, bool right,
			 enum status wrong, const char *text)
{
	const char *id = k ? k->id : "";
	uint8_t address[16];
	struct failure *f;

	address_of(r, address);
	f = find_failure(a, address, id);
	r->retry_s = wait_s(a, f);
	if (r->retry_s > 0)
		return err_set(&r->err, ST_LOCKED_OUT,
			       "too many wrong keys from this address");
	if (!right) {
		note_failure(a, address, id);
		return err_set(&r->err, wrong, "%s", text);
	}
	if (f != NULL)
		f->count = 0;
	r->role = k->role;
	(void)snprintf(r->key_id, sizeof(r->key_id), "%s", k->id);
	return ST_OK;
}

static bool has_certificate(struct request *r)
{
	uint8_t hash[TLS_FINGERPRINT_BYTES];

	return connection_fingerprint(r->connection, hash);
}

static const struct keystore_key *by_certificate(const struct auth *a,
						 struct request *r)
{
	uint8_t hash[TLS_FINGERPRINT_BYTES];

	return connection_fingerprint(r->connection, hash)
		       ? keystore_certificate(a->keys, a->count, hash)
		       : NULL;
}

/* text is the key, NULL when the connection's certificate is to be it. */
static enum status check_key(struct auth *a, struct request *r,
			     const char *text)
{
	const struct keystore_key *k = text ? keystore_named(a->keys, a->count,
							     text)
					    : by_certificate(a, r);
	bool right = k != NULL && (text == NULL || keystore_is(k, text));

	return judge(a, r, k, right, ST_NO_KEY,
		     text ? "this is no valid key"
			  : "this certificate is no valid key");
}

static enum status check_signature(struct auth *a, struct request *r,
				   const char *header)
{
	const struct keystore_key *k = NULL;
	struct signature s;
	bool right = false;
	enum status st;

	if (signature_parse(header, &s)) {
		k = keystore_by_id(a->keys, a->count, s.id);
		right = k != NULL && k->kind == KEY_SIGNING &&
			signature_fits(&s, &r->hash, r->method, k->hash);
	}
	st = judge(a, r, k, right, ST_BAD_SIGNATURE,
		   "the signature does not fit the request, or its key is "
		   "none that signs");
	if (st == ST_OK)
		st = replay_admit(a->replay, srv_wall_ms() / 1000, s.time_s,
				  s.mac, &r->err);
	if (st != ST_OK)
		return st;
	r->is_signed = true;
	memcpy(r->body_digest, s.body, sizeof(s.body));
	sha256_init(&r->hash);
	return ST_OK;
}

enum status auth_body(struct request *r)
{
	uint8_t found[SHA256_DIGEST_SIZE];

	if (!r->is_signed)
		return ST_OK;
	sha256_digest(&r->hash, sizeof(found), found);
	if (memcmp(found, r->body_digest, sizeof(found)) == 0)
		return ST_OK;
	return err_set(&r->err, ST_BAD_SIGNATURE,
		       "the body is not the one that was signed");
}

/* Reads the keys again if they have changed. */
static enum status know_keys(struct auth *a, struct request *r)
{
	struct errinfo why;
	bool was_broken = a->broken;

	err_clear(&why);
	if (refresh(a, &why) == ST_OK)
		return ST_OK;
	if (!was_broken)
		log_line(LOG_ERROR, "keys_unreadable", "reason=\"%s\"",
			 why.text);
	return err_set(&r->err, ST_NOT_READY, "the keys cannot be read");
}

static enum status check_role(struct request *r)
{
	if (r->role == ROLE_ADMIN || (r->route->roles & r->role) != 0)
		return ST_OK;
	return err_set(&r->err, ST_WRONG_ROLE,
		       "a key with the role %s may not do this",
		       keystore_role_word(r->role));
}

static enum status enter(struct auth *a, struct request *r, const char *text)
{
	enum status st = check_key(a, r, text);

	return st == ST_OK ? check_role(r) : st;
}

enum status auth_check(struct auth *a, struct request *r)
{
	const char *text;
	enum status st;

	if (r->route->roles == 0)
		return ST_OK;
	st = know_keys(a, r);
	if (st != ST_OK)
		return st;
	if (a->keyless)
		return check_keyless(r);
	text = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
					   "Authorization");
	if (signature_meant(text)) {
		st = check_signature(a, r, text);
		return st == ST_OK ? check_role(r) : st;
	}
	st = given_key(r, &text);
	if (st != ST_OK)
		return st;
	if (text != NULL)
		return enter(a, r, text);
	if (r->route->body == BODY_FORM) {
		r->key_due = true;
		return ST_OK;
	}
	if (!has_certificate(r))
		return err_set(&r->err, ST_NO_KEY,
			       "send Authorization: Bearer KEY or X-Api-Key: "
			       "KEY");
	return enter(a, r, NULL);
}

enum status auth_form(struct auth *a, struct request *r, const char *text)
{
	enum status st = know_keys(a, r);

	if (text != NULL && text[0] == '\0')
		text = NULL;
	if (st == ST_OK && text == NULL && !has_certificate(r))
		st = err_set(&r->err, ST_NO_KEY,
			     "send the key as the form's api_key");
	if (st == ST_OK)
		st = enter(a, r, text);
	r->key_due = st != ST_OK;
	return st;
}
