/* facegate-webhook: posts decisions to webhook_url, signed, one at a time. The
 * daemon starts it and says what to post; see line.h. What it does not do is
 * its point: it follows no redirect, asks no proxy, speaks nothing but HTTP and
 * reads no answer beyond its status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>
#include <nettle/hmac.h>

#include "line.h"
#include "secret.h"

#define ANSWER_MAX  16384 /* bytes of an answer's body that are read past */
#define HEADER_MAX  128
#define CERTIFICATE "/etc/ssl/certs/ca-certificates.crt"

struct webhook {
	struct config cfg;
	char secret[SECRET_MAX + 1];
	CURL *curl;
	size_t answered; /* bytes of the answer so far */
	char error[CURL_ERROR_SIZE];
};

static size_t read_past(char *data, size_t size, size_t n, void *ctx)
{
	struct webhook *w = ctx;

	(void)data;
	w->answered += size * n;
	return w->answered <= ANSWER_MAX ? size * n : 0;
}

/* "Facegate-Signature: sha256=" and the HMAC of "TIMESTAMP.BODY". */
static void sign(const struct webhook *w, const char *timestamp,
		 const char *body, char out[HEADER_MAX])
{
	struct hmac_sha256_ctx mac;
	uint8_t digest[SHA256_DIGEST_SIZE];
	int n = snprintf(out, HEADER_MAX, "Facegate-Signature: sha256=");

	hmac_sha256_set_key(&mac, strlen(w->secret),
			    (const uint8_t *)w->secret);
	hmac_sha256_update(&mac, strlen(timestamp), (const uint8_t *)timestamp);
	hmac_sha256_update(&mac, 1, (const uint8_t *)".");
	hmac_sha256_update(&mac, strlen(body), (const uint8_t *)body);
	hmac_sha256_digest(&mac, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		n += snprintf(out + n, HEADER_MAX - (size_t)n, "%02x",
			      digest[i]);
}

static CURLcode set_options(struct webhook *w)
{
	CURL *c = w->curl;
	const char *ca = w->cfg.webhook_ca_file;
	bool tls = strncmp(w->cfg.webhook_url, "https:", 6) == 0;
	CURLcode rc = CURLE_OK;

	/* The first failure of many; none of them costs anything. */
#define SET(option, value)                                                     \
	rc = rc == CURLE_OK ? curl_easy_setopt(c, option, value) : rc
	SET(CURLOPT_URL, w->cfg.webhook_url);
	SET(CURLOPT_PROTOCOLS_STR, tls ? "https" : "http");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_BUFFERSIZE, 1024L);
	SET(CURLOPT_USERAGENT, "facegate/" FACEGATE_VERSION);
	SET(CURLOPT_WRITEFUNCTION, read_past);
	SET(CURLOPT_WRITEDATA, w);
	SET(CURLOPT_ERRORBUFFER, w->error);
	/* A libcurl without TLS takes none of it, not even the name above. */
	if (tls) {
		SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
		SET(CURLOPT_CAINFO, *ca ? ca : CERTIFICATE);
	}
#undef SET
	return rc;
}

static CURLcode post(struct webhook *w, const struct line_event *ev,
		     struct curl_slist *headers, int64_t left_ms, long *status)
{
	int64_t most = w->cfg.event_timeout_ms;
	CURLcode rc;

	curl_easy_setopt(w->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(w->curl, CURLOPT_POSTFIELDS, ev->body);
	/* It must not arrive after it has expired, however slow the way. */
	curl_easy_setopt(w->curl, CURLOPT_TIMEOUT_MS,
			 (long)(left_ms < most ? left_ms : most));
	w->answered = 0;
	w->error[0] = '\0';
	rc = curl_easy_perform(w->curl);
	curl_easy_getinfo(w->curl, CURLINFO_RESPONSE_CODE, status);
	return rc;
}

static void attempt(struct webhook *w, const struct line_event *ev)
{
	char timestamp[24], signature[HEADER_MAX], text[HEADER_MAX];
	int64_t left_ms = line_left_ms(ev);
	struct curl_slist *headers = NULL, *more = NULL;
	long status = 0;
	CURLcode rc = CURLE_OUT_OF_MEMORY;

	if (left_ms == 0) {
		line_answer("failed", "expired");
		return;
	}
	snprintf(timestamp, sizeof(timestamp), "%lld", (long long)time(NULL));
	sign(w, timestamp, ev->body, signature);
	snprintf(text, sizeof(text), "Facegate-Timestamp: %s", timestamp);
	headers = curl_slist_append(NULL, "Content-Type: application/json");
	more = headers ? curl_slist_append(headers, text) : NULL;
	more = more ? curl_slist_append(more, signature) : NULL;
	if (more != NULL)
		rc = post(w, ev, headers, left_ms, &status);
	curl_slist_free_all(headers);
	/* With that status it has arrived, whatever comes behind it. */
	if (status >= 200 && status < 300) {
		line_answer("sent", ev->seq);
	} else if (rc == CURLE_OK) {
		snprintf(text, sizeof(text), "HTTP status %ld", status);
		line_answer("failed", text);
	} else {
		line_answer("failed",
			    w->error[0] ? w->error : curl_easy_strerror(rc));
	}
}

int main(void)
{
	static struct line_reader in;
	static struct webhook w;
	struct errinfo err;
	enum status st;

	err_clear(&err);
	st = line_config(&in, &w.cfg, &err);
	if (st == ST_OK)
		st = secret_read("webhook_secret_file",
				 w.cfg.webhook_secret_file, w.secret, &err);
	if (st == ST_OK && (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 ||
			    (w.curl = curl_easy_init()) == NULL ||
			    set_options(&w) != CURLE_OK))
		st = err_set(&err, ST_BAD_CONFIG,
			     "webhook_url or certificates "
			     "cannot be used");
	if (st != ST_OK) {
		line_answer("ended", err.text);
		return 1;
	}
	line_answer("ready", "");
	do {
		struct line_event ev;
		char *line;

		while ((line = line_next(&in)) != NULL)
			if (line_event(line, &ev))
				attempt(&w, &ev);
	} while (line_fill(&in));
	curl_easy_cleanup(w.curl);
	curl_global_cleanup();
	return 0;
}
