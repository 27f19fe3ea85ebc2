#include "tls.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "secret.h"

#define FILE_BYTES_MAX (256 * 1024) /* of PEM: some dozens of certificates */

/* Of a handshake: room for a client's chain of a few certificates. */
#define MESSAGE_BYTES_MAX (16 * 1024)

/* Forward secrecy and authenticated encryption alone. A client chooses among
 * the ciphers: it knows whether it has instructions for AES. */
static const char priorities[] =
	"SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:"
	"-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"
	"-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:"
	"-MAC-ALL:+AEAD:%PROFILE_MEDIUM";

enum { CERT, KEY, CLIENT_CA, FILES };

struct tls_creds {
	gnutls_certificate_credentials_t cred;
	time_t not_after;
	unsigned users; /* connections */
	struct tls_creds *next;
};

struct tls {
	const struct config *cfg;
	struct stat seen[FILES]; /* as they were read */
	struct stat last[FILES]; /* as they were at the last look */
	pthread_mutex_t lock;	 /* the list and its users */
	struct tls_creds *list;	 /* in force first, then those in use */
};

/* ---- files ---- */

static const char *file_of(const struct config *cfg, int which)
{
	return which == CERT  ? cfg->tls_cert
	       : which == KEY ? cfg->tls_key
			      : cfg->tls_client_ca;
}

static void look(const struct tls *t, struct stat out[FILES])
{
	char path[PATH_MAX];

	memset(out, 0, FILES * sizeof(out[0]));
	for (int i = 0; i < FILES; i++)
		if (file_of(t->cfg, i)[0] != '\0') {
			(void)secret_path(file_of(t->cfg, i), path);
			(void)stat(path, &out[i]);
		}
}

static bool same(const struct stat a[FILES], const struct stat b[FILES])
{
	for (int i = 0; i < FILES; i++)
		if (a[i].st_ino != b[i].st_ino ||
		    a[i].st_size != b[i].st_size ||
		    a[i].st_mtim.tv_sec != b[i].st_mtim.tv_sec ||
		    a[i].st_mtim.tv_nsec != b[i].st_mtim.tv_nsec)
			return false;
	return true;
}

static void wipe(gnutls_datum_t *d)
{
	if (d->data != NULL)
		explicit_bzero(d->data, d->size);
	free(d->data);
	*d = (gnutls_datum_t){ NULL, 0 };
}

/* out ends in a NUL that is not counted; to be given to wipe(). */
static enum status read_file(const char *key, const char *file,
			     mode_t forbidden, gnutls_datum_t *out,
			     struct errinfo *err)
{
	struct stat info;
	int fd = secret_open(key, file, forbidden, &info, err);
	size_t size = fd < 0 ? 0 : (size_t)info.st_size, n = 0;
	ssize_t got = 1;

	*out = (gnutls_datum_t){ NULL, 0 };
	if (fd < 0)
		return ST_BAD_CONFIG;
	if (info.st_size <= FILE_BYTES_MAX)
		out->data = calloc(1, size + 1);
	while (out->data != NULL && n < size && got > 0) {
		got = read(fd, out->data + n, size - n);
		n += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	out->size = (unsigned)n;
	if (out->data != NULL && n == size)
		return ST_OK;
	wipe(out);
	return err_set(err, ST_BAD_CONFIG,
		       "%s: %.100s cannot be read whole, or is longer than %d "
		       "bytes",
		       key, file, FILE_BYTES_MAX);
}

static enum status refuse(const char *key, const char *file, int code,
			  struct errinfo *err)
{
	return err_set(err, ST_BAD_CONFIG, "%s: %.80s: %.80s", key, file,
		       gnutls_strerror(code));
}

/* ---- credentials ---- */

static void free_creds(struct tls_creds *c)
{
	if (c == NULL)
		return;
	if (c->cred != NULL)
		gnutls_certificate_free_credentials(c->cred);
	free(c);
}

/* When the first certificate ends of those that the credentials show. */
static time_t end_of(gnutls_certificate_credentials_t cred)
{
	gnutls_datum_t der;
	time_t first = 0;

	for (unsigned i = 0;
	     gnutls_certificate_get_crt_raw(cred, 0, i, &der) == 0; i++) {
		gnutls_x509_crt_t crt = NULL;
		time_t end = 0;

		if (gnutls_x509_crt_init(&crt) == 0 &&
		    gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER) == 0)
			end = gnutls_x509_crt_get_expiration_time(crt);
		gnutls_x509_crt_deinit(crt);
		if (i == 0 || end < first)
			first = end;
	}
	return first;
}

static enum status load_pair(const struct config *cfg, struct tls_creds *c,
			     struct errinfo *err)
{
	gnutls_datum_t cert, key = { NULL, 0 };
	enum status st = read_file("tls_cert", cfg->tls_cert, 0, &cert, err);
	int code;

	/* Debian gives such keys to a group; key_file may be open to one too.
	 */
	if (st == ST_OK)
		st = read_file("tls_key", cfg->tls_key, 027, &key, err);
	if (st == ST_OK) {
		code = gnutls_certificate_set_x509_key_mem(c->cred, &cert, &key,
							   GNUTLS_X509_FMT_PEM);
		if (code < 0)
			st = refuse("tls_cert and tls_key", cfg->tls_cert, code,
				    err);
		else
			c->not_after = end_of(c->cred);
	}
	wipe(&key);
	wipe(&cert);
	return st;
}

static enum status load_client_ca(const struct config *cfg, struct tls_creds *c,
				  struct errinfo *err)
{
	gnutls_datum_t ca;
	enum status st = read_file("tls_client_ca", cfg->tls_client_ca, 0, &ca,
				   err);
	int code;

	if (st != ST_OK)
		return st;
	code = gnutls_certificate_set_x509_trust_mem(c->cred, &ca,
						     GNUTLS_X509_FMT_PEM);
	if (code <= 0)
		st = refuse("tls_client_ca", cfg->tls_client_ca,
			    code < 0 ? code : GNUTLS_E_NO_CERTIFICATE_FOUND,
			    err);
	wipe(&ca);
	return st;
}

/* Reads the files; the credentials are the first of the list from then on. */
static enum status load(struct tls *t, struct errinfo *err)
{
	struct tls_creds *c = calloc(1, sizeof(*c));
	enum status st = ST_NO_MEMORY;

	/* Before they are read: one that is replaced in between is read again
	 * the next time. */
	look(t, t->seen);
	if (c != NULL && gnutls_certificate_allocate_credentials(&c->cred) == 0)
		st = load_pair(t->cfg, c, err);
	else
		err_set(err, st, "no memory for certificates");
	if (st == ST_OK && t->cfg->tls_client_ca[0] != '\0')
		st = load_client_ca(t->cfg, c, err);
	if (st != ST_OK) {
		free_creds(c);
		return st;
	}
	pthread_mutex_lock(&t->lock);
	c->next = t->list;
	t->list = c;
	pthread_mutex_unlock(&t->lock);
	if (c->not_after < time(NULL))
		log_line(LOG_WARN, "certificate_expired", "file=\"%s\"",
			 t->cfg->tls_cert);
	return ST_OK;
}

/* Frees what was in force before and no connection uses any more. */
static void drop_old(struct tls *t)
{
	struct tls_creds **at, *c;

	pthread_mutex_lock(&t->lock);
	for (at = &t->list->next; (c = *at) != NULL;) {
		if (c->users > 0) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		free_creds(c);
	}
	pthread_mutex_unlock(&t->lock);
}

enum status tls_open(const struct config *cfg, struct tls **out,
		     struct errinfo *err)
{
	struct tls *t;
	enum status st;

	*out = NULL;
	if (cfg->tls_cert[0] == '\0')
		return ST_OK;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for certificates");
	t->cfg = cfg;
	pthread_mutex_init(&t->lock, NULL);
	st = load(t, err);
	memcpy(t->last, t->seen, sizeof(t->last));
	if (st == ST_OK)
		*out = t;
	else
		tls_close(t);
	return st;
}

void tls_close(struct tls *t)
{
	if (t == NULL)
		return;
	for (struct tls_creds *c = t->list; c != NULL; c = t->list) {
		t->list = c->next;
		free_creds(c);
	}
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void tls_refresh(struct tls *t, bool now)
{
	struct stat found[FILES];
	struct errinfo err;
	bool settled;

	if (t == NULL)
		return;
	look(t, found);
	/* Certificate and key are replaced one after the other. */
	settled = same(found, t->last);
	memcpy(t->last, found, sizeof(found));
	if (now || (settled && !same(found, t->seen))) {
		err_clear(&err);
		if (load(t, &err) == ST_OK)
			log_line(LOG_INFO, "certificate_loaded", "file=\"%s\"",
				 t->cfg->tls_cert);
		else
			log_line(LOG_ERROR, "certificate_refused",
				 "text=\"%s; the one before stays\"", err.text);
	}
	drop_old(t);
}

int64_t tls_not_after(struct tls *t)
{
	int64_t end;

	pthread_mutex_lock(&t->lock);
	end = (int64_t)t->list->not_after;
	pthread_mutex_unlock(&t->lock);
	return end;
}

/* ---- sessions ---- */

/* The library wants a source of certificates; ours come with each session, so
 * this one is never asked, and has none. */
static int none(gnutls_session_t session,
		const struct gnutls_cert_retr_st *info, gnutls_pcert_st **certs,
		unsigned int *certs_length, gnutls_ocsp_data_st **ocsp,
		unsigned int *ocsp_length, gnutls_privkey_t *key,
		unsigned int *flags)
{
	(void)session;
	(void)info;
	(void)certs;
	(void)certs_length;
	(void)ocsp;
	(void)ocsp_length;
	(void)key;
	(void)flags;
	return -1;
}

unsigned tls_flags(const struct tls *t)
{
	return t ? MHD_USE_TLS : 0;
}

struct MHD_OptionItem *tls_options(const struct tls *t)
{
	static struct MHD_OptionItem plain[] = { { MHD_OPTION_END, 0, NULL } };
	static struct MHD_OptionItem secure[] = {
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, NULL },
		{ MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, NULL },
		{ MHD_OPTION_END, 0, NULL }
	};

	secure[0].ptr_value = (void *)(uintptr_t)priorities;
	secure[1].ptr_value = (void *)(uintptr_t)none;
	return t ? secure : plain;
}

/* Called in a handshake in which a certificate was asked for. That one must
 * come if it is required, the library sees to. */
static int verify(gnutls_session_t session)
{
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT
	};
	unsigned wrong = 0, count = 0;
	int code;

	if (gnutls_certificate_get_peers(session, &count) == NULL)
		return 0;
	code = gnutls_certificate_verify_peers(session, &purpose, 1, &wrong);
	if (code == 0 && wrong == 0)
		return 0;
	log_line(LOG_DEBUG, "client_certificate_refused", "why=0x%x", wrong);
	/* The library would close without a word. */
	(void)gnutls_alert_send(session, GNUTLS_AL_FATAL,
				(wrong & GNUTLS_CERT_EXPIRED) != 0
					? GNUTLS_A_CERTIFICATE_EXPIRED
				: (wrong & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0
					? GNUTLS_A_UNKNOWN_CA
					: GNUTLS_A_BAD_CERTIFICATE);
	return GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
}

struct tls_creds *tls_attach(struct tls *t, gnutls_session_t session)
{
	struct tls_creds *c;

	pthread_mutex_lock(&t->lock);
	c = t->list;
	c->users++;
	pthread_mutex_unlock(&t->lock);
	/* Instead of the library's. When memory fails here there are none, and
	 * so no handshake. */
	gnutls_credentials_clear(session);
	gnutls_handshake_set_max_packet_length(session, MESSAGE_BYTES_MAX);
	(void)gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, c->cred);
	if (t->cfg->tls_client_ca[0] != '\0') {
		gnutls_certificate_server_set_request(
			session, t->cfg->tls_client_required
					 ? GNUTLS_CERT_REQUIRE
					 : GNUTLS_CERT_REQUEST);
		gnutls_session_set_verify_function(session, verify);
	}
	return c;
}

void tls_detach(struct tls *t, struct tls_creds *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	c->users--;
	pthread_mutex_unlock(&t->lock);
}

bool tls_fingerprint(gnutls_session_t session,
		     uint8_t out[TLS_FINGERPRINT_BYTES])
{
	unsigned count = 0;
	const gnutls_datum_t *list = gnutls_certificate_get_peers(session,
								  &count);

	return list != NULL && count > 0 &&
	       gnutls_hash_fast(GNUTLS_DIG_SHA256, list[0].data, list[0].size,
				out) == 0;
}

bool tls_send(gnutls_session_t session, const char *data, size_t n)
{
	return gnutls_record_send(session, data, n) > 0;
}

/* ---- files of the tool ---- */

/* To be given to gnutls_x509_crt_deinit in every case. */
static enum status read_certificate(const char *file, gnutls_x509_crt_t *out,
				    struct errinfo *err)
{
	gnutls_datum_t pem;
	enum status st = read_file("certificate", file, 0, &pem, err);

	*out = NULL;
	if (st == ST_OK &&
	    (gnutls_x509_crt_init(out) != 0 ||
	     gnutls_x509_crt_import(*out, &pem, GNUTLS_X509_FMT_PEM) != 0))
		st = err_set(err, ST_BAD_CONFIG,
			     "%.100s does not begin with a PEM certificate",
			     file);
	wipe(&pem);
	return st;
}

enum status tls_file_fingerprint(const char *file,
				 uint8_t out[TLS_FINGERPRINT_BYTES],
				 struct errinfo *err)
{
	size_t size = TLS_FINGERPRINT_BYTES;
	gnutls_x509_crt_t crt;
	enum status st = read_certificate(file, &crt, err);

	if (st == ST_OK && gnutls_x509_crt_get_fingerprint(
				   crt, GNUTLS_DIG_SHA256, out, &size) != 0)
		st = err_set(err, ST_INTERNAL, "no SHA-256");
	gnutls_x509_crt_deinit(crt);
	return st;
}

enum status tls_file_pin(const char *file, char out[TLS_PIN_CHARS + 1],
			 struct errinfo *err)
{
	uint8_t hash[TLS_FINGERPRINT_BYTES];
	gnutls_datum_t raw = { hash, sizeof(hash) }, text = { NULL, 0 };
	size_t size = sizeof(hash);
	gnutls_x509_crt_t crt;
	enum status st = read_certificate(file, &crt, err);

	if (st == ST_OK &&
	    (gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, hash,
					&size) != 0 ||
	     gnutls_base64_encode2(&raw, &text) != 0))
		st = err_set(err, ST_INTERNAL, "no SHA-256");
	if (st == ST_OK)
		(void)snprintf(out, TLS_PIN_CHARS + 1, "sha256//%s",
			       (const char *)text.data);
	gnutls_free(text.data);
	gnutls_x509_crt_deinit(crt);
	return st;
}
