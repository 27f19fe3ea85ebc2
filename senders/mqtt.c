/* facegate-mqtt: publishes decisions to a broker, one at a time, with QoS 1 and
 * never retained. The daemon starts it and says what to publish; see line.h.
 *
 * One process is one connection: when that breaks, the process ends and the
 * daemon starts it again. So the library never has a chance to send a decision
 * of an earlier connection anew, when it may have expired. MQTT 5 carries the
 * expiry on to the broker, which drops what a receiver that is away would only
 * get later. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mosquitto.h>
#include <mqtt_protocol.h>

#include "line.h"
#include "secret.h"

#define KEEPALIVE_S 15
#define STATE_S	    30 /* how often "online" is said again */
#define TOPIC_MAX   (CFG_TEXT_MAX + 96)

struct mqtt {
	struct config cfg;
	struct mosquitto *m;
	char state_topic[TOPIC_MAX];
	bool connected;
	int mid;      /* of the decision that is on its way, 0 for none */
	char seq[24]; /* and its number */
	time_t state_due;
	char ended[160]; /* why this connection is over; "" while it is not */
};

static void end(struct mqtt *q, const char *why)
{
	if (q->ended[0] == '\0')
		snprintf(q->ended, sizeof(q->ended), "%s", why);
}

static bool worked(struct mqtt *q, int rc)
{
	if (rc == MOSQ_ERR_SUCCESS)
		return true;
	end(q, rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc));
	return false;
}

static void on_connect(struct mosquitto *m, void *ctx, int reason, int flags,
		       const mosquitto_property *props)
{
	struct mqtt *q = ctx;

	(void)m;
	(void)flags;
	(void)props;
	if (reason != 0) {
		end(q, mosquitto_reason_string(reason));
		return;
	}
	q->connected = true;
	line_answer("ready", "");
}

static void on_disconnect(struct mosquitto *m, void *ctx, int reason,
			  const mosquitto_property *props)
{
	(void)m;
	(void)reason;
	(void)props;
	end(ctx, "the broker closed the connection");
}

static void on_publish(struct mosquitto *m, void *ctx, int mid, int reason,
		       const mosquitto_property *props)
{
	struct mqtt *q = ctx;

	(void)m;
	(void)props;
	if (mid != q->mid)
		return;
	q->mid = 0;
	/* From 128 on a reason is a refusal. That nobody listens is none. */
	if (reason < 128)
		line_answer("sent", q->seq);
	else
		line_answer("failed", mosquitto_reason_string(reason));
}

static bool say_online(struct mqtt *q)
{
	q->state_due = time(NULL) + STATE_S;
	return worked(q, mosquitto_publish_v5(q->m, NULL, q->state_topic, 6,
					      "online", 1, false, NULL));
}

static void publish(struct mqtt *q, const struct line_event *ev)
{
	int64_t left_ms = line_left_ms(ev);
	mosquitto_property *props = NULL;
	char topic[TOPIC_MAX];
	bool door = ev->door[0] != '/';
	int rc;

	if (left_ms == 0) {
		line_answer("failed", "expired");
		return;
	}
	snprintf(topic, sizeof(topic), "%s/decision%s%s", q->cfg.mqtt_topic,
		 door ? "/" : "", door ? ev->door : "");
	snprintf(q->seq, sizeof(q->seq), "%s", ev->seq);
	rc = mosquitto_property_add_int32(&props,
					  MQTT_PROP_MESSAGE_EXPIRY_INTERVAL,
					  (uint32_t)((left_ms + 999) / 1000));
	if (rc == MOSQ_ERR_SUCCESS)
		rc = mosquitto_publish_v5(q->m, &q->mid, topic,
					  (int)strlen(ev->body), ev->body, 1,
					  false, props);
	mosquitto_property_free_all(&props);
	(void)worked(q, rc);
}

/* Everything but the connecting itself. */
static bool prepare(struct mqtt *q, struct errinfo *err)
{
	const struct config *cfg = &q->cfg;
	const char *ca = cfg->mqtt_ca_file;
	char password[SECRET_MAX + 1] = "";
	enum status st = ST_OK;
	int rc;

	if (cfg->mqtt_password_file[0] != '\0')
		st = secret_read("mqtt_password_file", cfg->mqtt_password_file,
				 password, err);
	if (st != ST_OK)
		return false;
	mosquitto_lib_init();
	q->m = mosquitto_new(NULL, true, q);
	if (q->m == NULL)
		return false;
	mosquitto_connect_v5_callback_set(q->m, on_connect);
	mosquitto_disconnect_v5_callback_set(q->m, on_disconnect);
	mosquitto_publish_v5_callback_set(q->m, on_publish);
	snprintf(q->state_topic, sizeof(q->state_topic), "%s/state",
		 cfg->mqtt_topic);
	rc = mosquitto_int_option(q->m, MOSQ_OPT_PROTOCOL_VERSION,
				  MQTT_PROTOCOL_V5);
	if (rc == MOSQ_ERR_SUCCESS)
		rc = mosquitto_will_set_v5(q->m, q->state_topic, 7, "offline",
					   1, false, NULL);
	if (rc == MOSQ_ERR_SUCCESS && cfg->mqtt_user[0] != '\0')
		rc = mosquitto_username_pw_set(q->m, cfg->mqtt_user,
					       password[0] ? password : NULL);
	if (rc == MOSQ_ERR_SUCCESS && cfg->mqtt_tls && *ca)
		rc = mosquitto_tls_set(q->m, ca, NULL, NULL, NULL, NULL);
	else if (rc == MOSQ_ERR_SUCCESS && cfg->mqtt_tls)
		rc = mosquitto_int_option(q->m, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
	explicit_bzero(password, sizeof(password));
	return worked(q, rc);
}

/* Until the daemon wants no more, true, or the connection is over, false. */
static bool carry(struct mqtt *q, struct line_reader *in)
{
	while (q->ended[0] == '\0') {
		struct pollfd fds[2] = {
			{ .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = mosquitto_socket(q->m), .events = POLLIN },
		};
		struct line_event ev;
		char *line;

		if (q->connected && q->mid == 0 &&
		    (line = line_next(in)) != NULL && line_event(line, &ev))
			publish(q, &ev);
		if (q->connected && time(NULL) >= q->state_due &&
		    !say_online(q))
			return false;
		if (mosquitto_want_write(q->m))
			fds[1].events |= POLLOUT;
		if (poll(fds, 2, 1000) < 0 && errno != EINTR)
			return worked(q, MOSQ_ERR_ERRNO);
		if (fds[0].revents != 0 && !line_fill(in))
			return true;
		if ((fds[1].revents & ~POLLOUT) != 0)
			(void)worked(q, mosquitto_loop_read(q->m, 1));
		if ((fds[1].revents & POLLOUT) != 0)
			(void)worked(q, mosquitto_loop_write(q->m, 1));
		(void)worked(q, mosquitto_loop_misc(q->m));
	}
	return false;
}

int main(void)
{
	static struct line_reader in;
	static struct mqtt q;
	struct errinfo err;
	bool done = false;

	err_clear(&err);
	if (line_config(&in, &q.cfg, &err) == ST_OK && prepare(&q, &err) &&
	    worked(&q, mosquitto_connect(q.m, q.cfg.mqtt_host,
					 (int)q.cfg.mqtt_port, KEEPALIVE_S)))
		done = carry(&q, &in);
	if (done)
		/* The broker publishes the will, "offline". */
		mosquitto_disconnect_v5(q.m, MQTT_RC_DISCONNECT_WITH_WILL_MSG,
					NULL);
	else
		line_answer("ended", err.text[0]  ? err.text
				     : q.ended[0] ? q.ended
						  : "no memory");
	mosquitto_destroy(q.m);
	mosquitto_lib_cleanup();
	return done ? 0 : 1;
}
