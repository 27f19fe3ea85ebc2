/* Stands in for tls.c in a build without TLS. The configuration has refused
 * every key that asks for it, so there never is a struct tls, and what takes
 * one is called with NULL or not at all. */
#include "tls.h"

enum status tls_open(const struct config *cfg, struct tls **out,
		     struct errinfo *err)
{
	(void)cfg;
	(void)err;
	*out = NULL;
	return ST_OK;
}

void tls_close(struct tls *t)
{
	(void)t;
}

void tls_refresh(struct tls *t, bool now)
{
	(void)t;
	(void)now;
}

int64_t tls_not_after(struct tls *t)
{
	(void)t;
	return 0;
}

unsigned tls_flags(const struct tls *t)
{
	(void)t;
	return 0;
}

struct MHD_OptionItem *tls_options(const struct tls *t)
{
	static struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

	(void)t;
	return none;
}

struct tls_creds *tls_attach(struct tls *t, struct gnutls_session_int *session)
{
	(void)t;
	(void)session;
	return NULL;
}

void tls_detach(struct tls *t, struct tls_creds *c)
{
	(void)t;
	(void)c;
}

bool tls_fingerprint(struct gnutls_session_int *session,
		     uint8_t out[TLS_FINGERPRINT_BYTES])
{
	(void)session;
	(void)out;
	return false;
}

bool tls_send(struct gnutls_session_int *session, const char *data, size_t n)
{
	(void)session;
	(void)data;
	(void)n;
	return false;
}

static enum status no_certificates(const char *file, struct errinfo *err)
{
	return err_set(err, ST_BAD_CONFIG,
		       "%.100s: this build speaks no TLS and reads no "
		       "certificates",
		       file);
}

enum status tls_file_fingerprint(const char *file,
				 uint8_t out[TLS_FINGERPRINT_BYTES],
				 struct errinfo *err)
{
	(void)out;
	return no_certificates(file, err);
}

enum status tls_file_pin(const char *file, char out[TLS_PIN_CHARS + 1],
			 struct errinfo *err)
{
	(void)out;
	return no_certificates(file, err);
}
