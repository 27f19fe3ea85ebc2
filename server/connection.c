#include "connection.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "heartbeat.h"
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
 * past it. */
void connection_end_endless(struct MHD_Connection *c)
{
	static const char text[] =
		"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
		"Content-Type: application/problem+json\r\n"
		"Content-Length: 95\r\n\r\n"
		"{\"type\":\"/errors/body-too-large\",\"title\":\"Body too "
		"large\",\"status\":413,\"code\":\"body_too_large\"}";
	struct gnutls_session_int *session = session_of(c);
	int fd = socket_of(c);
	bool sent;

	if (session != NULL)
		sent = tls_send(session, text, sizeof(text) - 1);
	else
		sent = send(fd, text, sizeof(text) - 1,
			    MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
	if (sent)
		shutdown(fd, SHUT_WR);
}
