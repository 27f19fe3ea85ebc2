#include "client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clientbody.h"
#include "signature.h"
#include "tls.h"

#define FILE_MAX_BYTES	 (64u << 20)
#define ANSWER_MAX_BYTES (8u << 20)
#define KEY_CHARS_MAX	 256
#define CONNECT_S	 10L
#define SILENCE_S	 60L

struct client {
	CURL *curl;
	char base[512];		     /* without a slash at its end */
	char key[KEY_CHARS_MAX + 1]; /* or empty */
	bool signing;		     /* the key signs, and stays here */
	const char *cacert, *cert, *cert_key; /* files, or NULL */
	char pin[TLS_PIN_CHARS + 1];	      /* the server's key, or empty */
	char why[CURL_ERROR_SIZE];
	/* the answer that is being read */
	FILE *text, *stream;
	size_t bytes;
};

/* ---- files ---- */

enum status client_read(const char *path, struct client_file *out,
			struct errinfo *err)
{
	bool input = strcmp(path, "-") == 0;
	int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 0, room = 0;
	char *bytes = NULL;
	ssize_t n = fd < 0 ? -1 : 1;

	while (n > 0) {
		if (size + 1 >= room) {
			char *more = realloc(bytes, room ? room * 2 : 65536);

			if (more == NULL)
				break;
			bytes = more;
			room = room ? room * 2 : 65536;
		}
		n = read(fd, bytes + size, room - size - 1);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			size += (size_t)n;
		if (size > FILE_MAX_BYTES) {
			errno = EFBIG;
			n = -1;
		}
	}
	if (n != 0) {
		err_set(err, ST_IO_ERROR, "%s", strerror(errno));
		free(bytes);
	} else {
		bytes[size] = '\0';
		*out = (struct client_file){ bytes, size };
	}
	if (!input && fd >= 0)
		close(fd);
	return n == 0 ? ST_OK : ST_IO_ERROR;
}

/* ---- the server and the key ---- */

/* The daemon of this configuration. One that listens everywhere is asked on
 * loopback, where no certificate has its name: its key must be the configured
 * one instead. */
static enum status default_base(struct client *c, const struct config *cfg,
				struct errinfo *err)
{
	static const char any4[] = "0.0.0.0:", any6[] = "[::]:";
	const char *listen = cfg->listen;
	const char *colon = strrchr(listen, ':');
	const char *scheme = cfg->tls_cert[0] ? "https" : "http";
	char *end = NULL;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;

	if (port < 1 || port > UINT16_MAX || *end != '\0' || colon == listen)
		return err_set(err, ST_BAD_CONFIG,
			       "listen: needs an address and a port that is "
			       "not 0 to be asked at");
	if (strncmp(listen, any4, strlen(any4)) == 0)
		snprintf(c->base, sizeof(c->base), "%s://127.0.0.1:%s", scheme,
			 listen + strlen(any4));
	else if (strncmp(listen, any6, strlen(any6)) == 0)
		snprintf(c->base, sizeof(c->base), "%s://[::1]:%s", scheme,
			 listen + strlen(any6));
	else
		snprintf(c->base, sizeof(c->base), "%s://%s", scheme, listen);
	return cfg->tls_cert[0] ? tls_file_pin(cfg->tls_cert, c->pin, err)
				: ST_OK;
}

static enum status choose_base(struct client *c, const struct cli *cli,
			       struct errinfo *err)
{
	const char *server = cli->server ? cli->server
					 : getenv("FACEGATE_SERVER");
	int n;

	if (server == NULL || *server == '\0')
		return default_base(c, &cli->cfg, err);
	n = snprintf(c->base, sizeof(c->base), "%s%s",
		     strstr(server, "://") ? "" : "http://", server);
	if (n < 0 || (size_t)n >= sizeof(c->base))
		return err_set(err, ST_BAD_CONFIG, "--server: is too long");
	for (size_t end = strlen(c->base); c->base[end - 1] == '/'; end--)
		c->base[end - 1] = '\0';
	return ST_OK;
}

static enum status choose_key(struct client *c, const struct cli *cli,
			      struct errinfo *err)
{
	const char *key = getenv("FACEGATE_KEY");
	struct client_file file = { NULL, 0 };
	struct errinfo why;
	enum status st = ST_OK;
	size_t n;

	err_clear(&why);
	if (cli->api_key_file != NULL) {
		if (client_read(cli->api_key_file, &file, &why) != ST_OK)
			return err_set(err, ST_BAD_CONFIG,
				       "--api-key-file: %.150s", why.text);
		key = file.bytes;
	}
	key = key ? key : "";
	key += strspn(key, " \t\r\n");
	n = strcspn(key, " \t\r\n");
	for (size_t i = 0; i < n; i++)
		if (key[i] < '!' || key[i] > '~')
			n = KEY_CHARS_MAX + 1;
	if (n > KEY_CHARS_MAX || key[n + strspn(key + n, " \t\r\n")] != '\0' ||
	    (n == 0 && cli->api_key_file != NULL))
		st = err_set(err, ST_BAD_CONFIG, "%s does not hold a key",
			     cli->api_key_file ? "--api-key-file"
					       : "FACEGATE_KEY");
	else if (n == 0 && cli->signing)
		st = err_set(err, ST_BAD_CONFIG, "--signing needs a key");
	else
		snprintf(c->key, sizeof(c->key), "%.*s", (int)n, key);
	free(file.bytes);
	return st;
}

enum status client_open(const struct cli *cli, struct client **out,
			struct errinfo *err)
{
	struct client *c = calloc(1, sizeof(*c));
	enum status st = ST_NO_MEMORY;

	*out = NULL;
	if (c == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		goto done;
	c->curl = curl_easy_init();
	if (c->curl == NULL)
		goto done;
	c->cacert = cli->cacert;
	c->cert = cli->cert;
	c->cert_key = cli->key;
	c->signing = cli->signing;
	if ((c->cert == NULL) != (c->cert_key == NULL))
		st = err_set(err, ST_BAD_CONFIG,
			     "--cert and --key go together");
	else
		st = choose_base(c, cli, err);
	if (st == ST_OK)
		st = choose_key(c, cli, err);
done:
	if (st == ST_NO_MEMORY)
		err_set(err, st, "no memory for the client");
	if (st == ST_OK)
		*out = c;
	else
		client_close(c);
	return st;
}

void client_close(struct client *c)
{
	if (c == NULL)
		return;
	curl_easy_cleanup(c->curl);
	curl_global_cleanup();
	explicit_bzero(c->key, sizeof(c->key));
	free(c);
}

const char *client_server(const struct client *c)
{
	return c->base;
}

/* ---- one request ---- */

/* A good answer goes where it was asked to, a bad one is read as JSON. */
static size_t take(char *bytes, size_t one, size_t n, void *ctx)
{
	struct client *c = ctx;
	long http = 0;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &http);
	if (c->stream != NULL && http >= 200 && http < 300)
		return fwrite(bytes, one, n, c->stream);
	c->bytes += n;
	return c->bytes > ANSWER_MAX_BYTES ? 0 : fwrite(bytes, one, n, c->text);
}

/* base, path, id and parameters; the caller frees. NULL without memory. */
static char *address(struct client *c, const struct client_request *q)
{
	const struct client_param *p = q->params;
	char *text = NULL, *escaped;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	char sign = '?';

	if (f == NULL)
		return NULL;
	fprintf(f, "%s%s", c->base, q->path);
	if (q->id != NULL) {
		escaped = curl_easy_escape(c->curl, q->id, 0);
		fprintf(f, "/%s", escaped ? escaped : "");
		curl_free(escaped);
	}
	if (q->of_id != NULL)
		fprintf(f, "/%s", q->of_id);
	for (; p != NULL && p->name != NULL && q->pictures == NULL; p++) {
		if (p->value == NULL)
			continue;
		escaped = curl_easy_escape(c->curl, p->value, 0);
		fprintf(f, "%c%s=%s", sign, p->name, escaped ? escaped : "");
		curl_free(escaped);
		sign = '&';
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* Why there is no answer. */
static enum status no_answer(struct client *c, CURLcode code,
			     struct errinfo *err)
{
	const char *why = c->why[0] ? c->why : curl_easy_strerror(code);

	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return err_set(err, ST_IO_ERROR,
			       "no daemon answers at %.100s: is it running?",
			       c->base);
	case CURLE_PEER_FAILED_VERIFICATION:
		return err_set(err, ST_IO_ERROR,
			       "the certificate of %.60s is not trusted: "
			       "%.60s; see --cacert",
			       c->base, why);
	case CURLE_WRITE_ERROR:
		return err_set(err, ST_IO_ERROR, "cannot write the output");
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return err_set(err, ST_IO_ERROR,
			       "what answers at %.100s has not the key of "
			       "tls_cert",
			       c->base);
	default:
		return err_set(err, ST_IO_ERROR, "%.80s: %.100s", c->base, why);
	}
}

static enum status named_status(const char *code)
{
	for (int st = 0; st < STATUS_COUNT; st++)
		if (strcmp(code, status_code((enum status)st)) == 0)
			return (enum status)st;
	return ST_INTERNAL;
}

/* Why the daemon refused, from its problem details. Which picture is
 * meant is told from the second on. */
static enum status refusal(unsigned http, const char *text, size_t size,
			   struct errinfo *err)
{
	json_t *o = json_loadb(text, size, 0, NULL);
	const char *code = NULL, *detail = NULL, *hint = NULL, *part = NULL;
	const char *person = NULL; /* whose face it is, for an admin */
	enum status st;

	if (json_unpack(o, "{s:s, s:s, s?s, s?s, s?s}", "code", &code, "detail",
			&detail, "hint", &hint, "part", &part, "person_id",
			&person) != 0) {
		st = err_set(err, ST_IO_ERROR,
			     "the answer is HTTP %u, but not from facegate",
			     http);
		goto done;
	}
	st = named_status(code);
	if (st == ST_NO_KEY)
		hint = "one that signs needs --signing; the key comes from "
		       "--api-key-file or FACEGATE_KEY";
	if (part != NULL && strcmp(part, "image[0]") == 0)
		part = NULL;
	err_set(err, st, "%s%s%s%s%s%s%s", part ? part : "", part ? ": " : "",
		detail, hint ? "; " : "", hint ? hint : "",
		person ? "; it is enrolled as " : "", person ? person : "");
done:
	json_decref(o);
	return st;
}

static enum status perform(struct client *c, struct client_reply *reply,
			   const char *method, struct errinfo *err)
{
	char *text = NULL;
	size_t size = 0;
	long http = 0;
	curl_off_t retry = 0;
	CURLcode code;
	enum status st = ST_OK;

	c->text = open_memstream(&text, &size);
	if (c->text == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for the answer");
	c->bytes = 0;
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
	code = curl_easy_perform(c->curl);
	if (fclose(c->text) != 0)
		code = CURLE_OUT_OF_MEMORY;
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &http);
	curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &retry);
	if (code != CURLE_OK) {
		st = no_answer(c, code, err);
		goto done;
	}
	reply->http = (unsigned)http;
	reply->retry_s = retry > 0 && retry < 3600 ? (unsigned)retry : 0;
	if (http < 200 || http > 299) {
		st = refusal(reply->http, text, size, err);
	} else if (c->stream == NULL && size > 0) {
		reply->json = json_loadb(text, size, 0, NULL);
		if (reply->json == NULL)
			st = err_set(err, ST_IO_ERROR,
				     "the answer is not JSON: is %.80s "
				     "facegate?",
				     c->base);
	}
done:
	free(text);
	return st;
}

static void set_trust(struct client *c)
{
	if (c->cacert != NULL)
		curl_easy_setopt(c->curl, CURLOPT_CAINFO, c->cacert);
	if (c->cert != NULL) {
		curl_easy_setopt(c->curl, CURLOPT_SSLCERT, c->cert);
		curl_easy_setopt(c->curl, CURLOPT_SSLKEY, c->cert_key);
	}
	if (c->pin[0] != '\0' && c->cacert == NULL) {
		/* Nothing else is checked then, and nothing else need be. */
		curl_easy_setopt(c->curl, CURLOPT_PINNEDPUBLICKEY, c->pin);
		curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

/* Who asks: the key, or what it signs. */
static enum status add_key(const struct client *c, const char *method,
			   const char *url, const struct clientbody *body,
			   struct curl_slist **head, struct errinfo *err)
{
	const char *address = strchr(strstr(url, "://") + 3, '/');
	char line[KEY_CHARS_MAX + SIGNATURE_TEXT_BYTES];
	char text[SIGNATURE_TEXT_BYTES];
	enum status st = ST_OK;

	if (c->key[0] == '\0')
		return ST_OK;
	if (c->signing) {
		st = signature_make(c->key, method, address, body->bytes,
				    body->size, (int64_t)time(NULL), text, err);
		snprintf(line, sizeof(line), "Authorization: %s",
			 st == ST_OK ? text : "");
	} else {
		snprintf(line, sizeof(line), "X-Api-Key: %s", c->key);
	}
	if (st == ST_OK)
		*head = curl_slist_append(*head, line);
	explicit_bzero(line, sizeof(line));
	return st;
}

static void set_up(struct client *c, const struct client_request *q,
		   const char *url)
{
	CURL *curl = c->curl;

	/* Connections outlive this; everything else is set anew. */
	curl_easy_reset(curl);
	c->why[0] = '\0';
	c->stream = q->stream;
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); /* as it is signed */
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "facegate/" FACEGATE_VERSION);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, c->why);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)q->timeout_s);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
	set_trust(c);
}

enum status client_send(struct client *c, const struct client_request *q,
			struct client_reply *reply, struct errinfo *err)
{
	char *url = address(c, q);
	struct curl_slist *head = NULL;
	struct clientbody body;
	char accept[64];
	enum status st = clientbody_make(q, &body, err);

	*reply = (struct client_reply){ 0 };
	if (url == NULL && st == ST_OK)
		st = err_set(err, ST_NO_MEMORY, "no memory for the request");
	if (st == ST_OK)
		st = add_key(c, q->method, url, &body, &head, err);
	if (st != ST_OK)
		goto done;
	set_up(c, q, url);
	if (q->accept != NULL) {
		snprintf(accept, sizeof(accept), "Accept: %s", q->accept);
		head = curl_slist_append(head, accept);
	}
	if (body.type[0] != '\0') {
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)body.size);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body.bytes);
		head = curl_slist_append(head, body.type);
	}
	/* The daemon judges the key before it takes a picture. */
	if (q->picture_count > 0)
		head = curl_slist_append(head, "Expect: 100-continue");
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, head);
	st = perform(c, reply, q->method, err);
done:
	curl_slist_free_all(head);
	free(body.bytes);
	free(url);
	return st;
}
