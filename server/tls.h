/* TLS of the daemon's own connections: the certificate in force, its change
 * while requests go on, and who a client's certificate says it is.
 *
 * libmicrohttpd runs the sessions; the credentials are ours, so that they can
 * be replaced. Those of one reading of the files are never changed and live
 * until the last connection that began with them is gone.
 *
 * Threads: tls_open, tls_refresh and tls_close belong to one thread, the rest
 * to the network thread.
 *
 * A build without TLS has notls.c in place of tls.c: there is none to speak,
 * and no certificate can be read. */
#ifndef FACEGATE_TLS_H
#define FACEGATE_TLS_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct tls;
struct tls_creds;
struct gnutls_session_int; /* what GnuTLS calls gnutls_session_t points to it */

#define TLS_FINGERPRINT_BYTES 32 /* SHA-256 of a certificate as DER */
#define TLS_PIN_CHARS	      52 /* "sha256//" and base64 */

/* Reads tls_cert, tls_key and tls_client_ca. *out is NULL when there is no TLS
 * to speak. ST_BAD_CONFIG with one sentence when a file cannot be used or key
 * and certificate do not fit. */
enum status tls_open(const struct config *cfg, struct tls **out,
		     struct errinfo *err) MUST_CHECK;
void tls_close(struct tls *t); /* NULL is fine; no connection is left */

/* Looks whether a file was replaced and if so, when it has not changed since
 * the last look, takes the new ones; `now` reads them in any case. Files that
 * cannot be used are told in the log, and what was in force stays. NULL is
 * fine. */
void tls_refresh(struct tls *t, bool now);

/* When the certificate in force ends, or one of its chain that ends before it,
 * in Unix seconds. */
int64_t tls_not_after(struct tls *t);

/* The library's flags and options for it, which live as long as the program;
 * for NULL none. */
unsigned tls_flags(const struct tls *t);
struct MHD_OptionItem *tls_options(const struct tls *t);

/* Gives a new session the credentials in force, before its handshake. To be
 * given back with tls_detach when the session is gone. */
struct tls_creds *tls_attach(struct tls *t, struct gnutls_session_int *session);
void tls_detach(struct tls *t, struct tls_creds *c); /* NULL is fine */

/* The client's certificate, which the handshake has verified. False when it
 * sent none. */
bool tls_fingerprint(struct gnutls_session_int *session,
		     uint8_t out[TLS_FINGERPRINT_BYTES]);

/* Sends bytes past the library. True when at least one is on its way. */
bool tls_send(struct gnutls_session_int *session, const char *data, size_t n);

/* The fingerprint of the first certificate of a PEM file. ST_BAD_CONFIG when
 * there is none. */
enum status tls_file_fingerprint(const char *file,
				 uint8_t out[TLS_FINGERPRINT_BYTES],
				 struct errinfo *err) MUST_CHECK;
/* The same for its public key, as libcurl takes it. */
enum status tls_file_pin(const char *file, char out[TLS_PIN_CHARS + 1],
			 struct errinfo *err) MUST_CHECK;

#endif
