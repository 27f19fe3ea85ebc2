/* facegate health: asks a daemon whether it is ready, for container health
 * checks and scripts. */
#include <stdio.h>

#include "client.h"

#define TIMEOUT_S 3

int cli_health(const struct cli *cli)
{
	const struct client_request q = { .method = "GET",
					  .path = "/readyz",
					  .timeout_s = TIMEOUT_S };
	struct client_reply reply = { 0 };
	struct client *c = NULL;
	struct errinfo err;
	enum status st;
	bool ready;

	err_clear(&err);
	st = client_open(cli, &c, &err);
	if (st == ST_OK)
		st = client_send(c, &q, &reply, &err);
	client_close(c);
	json_decref(reply.json);
	/* Any status is an answer, whatever comes with it. */
	if (st != ST_OK && reply.http == 0)
		return cli_fail(&err, NULL);
	ready = reply.http == 200;
	if (cli->json)
		cli_print_json(json_pack("{s:b, s:i}", "ready", ready,
					 "http_status", (int)reply.http));
	else
		printf("%s\n", ready ? "ready" : "not ready");
	return ready ? EXIT_MATCH : EXIT_NO_MATCH;
}
