#include "connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "heartbeat.h"
#include "reply.h"
#include "srv.h"
#include "tls.h"

struct peer {
	struct deadline *deadline;
	struct tls_creds *creds;
};

static int socket_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		c, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

/* NULL without TLS. */
static struct gnutls_session_int *session_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		c, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return info ? info->tls_session : NULL;
}

struct deadline *connection_deadline(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	const struct peer *p = info ? info->socket_context : NULL;

	return p ? p->deadline : NULL;
}

bool connection_fingerprint(struct MHD_Connection *c,
			    uint8_t out[TLS_FINGERPRINT_BYTES])
{
	struct gnutls_session_int *session = session_of(c);

	return session != NULL && tls_fingerprint(session, out);
}

/* The handshake comes next: the deadline holds for it too. */
static struct peer *begin(struct srv *srv, struct MHD_Connection *c)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		shutdown(socket_of(c), SHUT_RDWR);
		return NULL;
	}
	p->deadline = deadline_begin(srv->deadlines, socket_of(c));
	if (srv->tls != NULL)
		p->creds = tls_attach(srv->tls, session_of(c));
	return p;
}

void connection_notice(void *cls, struct MHD_Connection *c,
		       void **socket_context,
		       enum MHD_ConnectionNotificationCode what)
{
	struct srv *srv = cls;
	struct peer *p = *socket_context;

	heartbeat_stir(srv);
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*socket_context = begin(srv, c);
		return;
	}
	*socket_context = NULL;
	if (p == NULL)
		return;
	deadline_end(p->deadline);
	/* The session is gone by now. */
	tls_detach(srv->tls, p->creds);
	free(p);
}

/* The library answers before a body or after it, not within: this refusal goes
 * past it. A worker may have r, so the problem is told of another one. */
void connection_end_endless(const struct request *r)
{
	struct request told = { .srv = r->srv, .route = r->route };
	struct gnutls_session_int *session = session_of(r->connection);
	int fd = socket_of(r->connection), n;
	uint64_t most = request_body_max(r);
	const char *type;
	char *text, out[1024];
	bool sent;

	memcpy(told.id, r->id, sizeof(told.id));
	err_limit(&told.err, ST_BODY_TOO_LARGE, (int64_t)most, ERR_NO_NUMBER,
		  "the body is longer than %llu bytes",
		  (unsigned long long)most);
	text = reply_problem_text(&told, NULL, &type);
	counters_count(&r->srv->counters, &told);
	n = snprintf(out, sizeof(out),
		     "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
		     "X-Request-Id: %s\r\nCache-Control: no-store\r\n"
		     "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
		     told.id, type, text ? strlen(text) : 0, text ? text : "");
	free(text);
	if (n < 0 || (size_t)n >= sizeof(out))
		return;
	if (session != NULL)
		sent = tls_send(session, out, (size_t)n);
	else
		sent = send(fd, out, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) >
		       0;
	if (sent)
		shutdown(fd, SHUT_WR);
}
