/* facegate enroll, verify, identify: pictures to a daemon, decisions back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulk.h"
#include "client.h"

/* More than a daemon takes at once, which may be another version. */
#define PICTURES_MAX 64

/* Sends the picture files. The answer is the caller's on success alone. */
static enum status ask(const struct cli *cli, const char *path,
		       const struct client_param *params, char *const *names,
		       size_t count, json_t **out, struct errinfo *err)
{
	struct client_file pictures[PICTURES_MAX] = { { NULL, 0 } };
	struct client_request q = { .method = "POST",
				    .path = path,
				    .params = params,
				    .pictures = pictures,
				    .picture_count = count };
	struct client_reply reply = { 0 };
	struct client *c = NULL;
	enum status st = ST_OK;
	struct errinfo why;

	err_clear(&why);
	if (count > PICTURES_MAX)
		return err_set(err, ST_BAD_CONFIG, "at most %d pictures",
			       PICTURES_MAX);
	for (size_t i = 0; i < count && st == ST_OK; i++)
		if (client_read(names[i], &pictures[i], &why) != ST_OK)
			st = err_set(err, ST_IO_ERROR, "%.100s: %.80s",
				     names[i], why.text);
	if (st == ST_OK)
		st = client_open(cli, &c, err);
	if (st == ST_OK)
		st = client_send(c, &q, &reply, err);
	if (st == ST_OK && reply.json == NULL)
		st = err_set(err, ST_IO_ERROR, "the answer is empty");
	*out = reply.json;
	client_close(c);
	for (size_t i = 0; i < count; i++)
		free(pictures[i].bytes);
	return st;
}

static const char *text_of(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? text : "";
}

/* One line, and one more a further candidate. */
static void print_decision(const json_t *o)
{
	const json_t *score = json_object_get(o, "score"), *candidate;
	const char *person = text_of(o, "person_id"), *hint;
	size_t i;

	printf("%s  %s", text_of(o, "decision"), text_of(o, "reason"));
	if (*person != '\0')
		printf("  %s", person);
	if (text_of(o, "name")[0] != '\0')
		printf(" (%s)", text_of(o, "name"));
	/* Only some roles are told the score. */
	if (json_is_number(score))
		printf("  score %.4f, cut %.4f", json_number_value(score),
		       json_number_value(json_object_get(o, "threshold")));
	printf("  log %" JSON_INTEGER_FORMAT "\n",
	       json_integer_value(json_object_get(o, "log_id")));
	json_array_foreach(json_object_get(o, "candidates"), i, candidate)
	{
		if (i == 0) /* the line above is about this one */
			continue;
		score = json_object_get(candidate, "score");
		printf("  or %s", text_of(candidate, "person_id"));
		if (json_is_number(score))
			printf("  score %.4f", json_number_value(score));
		putchar('\n');
	}
	hint = text_of(o, "hint");
	if (*hint != '\0')
		printf("  %s\n", hint);
}

/* What verify and identify do with the answer. */
static int decide(const struct cli *cli, json_t *o)
{
	bool allow = strcmp(text_of(o, "decision"), "allow") == 0;

	if (cli->json) {
		cli_print_json(o);
	} else {
		print_decision(o);
		json_decref(o);
	}
	return allow ? EXIT_MATCH : EXIT_NO_MATCH;
}

int cli_verify(const struct cli *cli)
{
	const struct client_param params[] = { { "person_id", cli->args[0] },
					       { "door_id", cli->door },
					       { NULL, NULL } };
	struct errinfo err;
	json_t *o = NULL;

	err_clear(&err);
	if (ask(cli, "/verify", params, &cli->args[1], 1, &o, &err) != ST_OK)
		return cli_fail(&err, NULL);
	return decide(cli, o);
}

int cli_identify(const struct cli *cli)
{
	const struct client_param params[] = { { "door_id", cli->door },
					       { "top", cli->top },
					       { "group", cli->group },
					       { NULL, NULL } };
	struct errinfo err;
	json_t *o = NULL;

	err_clear(&err);
	if (ask(cli, "/identify", params, cli->args, 1, &o, &err) != ST_OK)
		return cli_fail(&err, NULL);
	return decide(cli, o);
}

static int enroll_one(const struct cli *cli, struct errinfo *err)
{
	const struct client_param params[] = { { "person_id", cli->args[0] },
					       { "name", cli->name },
					       { "mode", cli->mode },
					       { "duplicate", cli->duplicate },
					       { NULL, NULL } };
	json_t *o = NULL;

	if (ask(cli, "/enroll", params, &cli->args[1], cli->arg_count - 1, &o,
		err) != ST_OK) {
		cli_fail(err, NULL);
		return bulk_refused(err->status) ? EXIT_NO_MATCH : EXIT_ERROR;
	}
	if (cli->json) {
		cli_print_json(o);
		return EXIT_MATCH;
	}
	printf("enrolled %zu of %s, who has %" JSON_INTEGER_FORMAT " now\n",
	       json_array_size(json_object_get(o, "enrolled")),
	       text_of(o, "person_id"),
	       json_integer_value(json_object_get(o, "templates")));
	json_decref(o);
	return EXIT_MATCH;
}

int cli_enroll(const struct cli *cli)
{
	bool many = cli->from_folder != NULL || cli->from_csv != NULL;
	struct errinfo err;

	err_clear(&err);
	if (many ? cli->arg_count != 0 ||
			    (cli->from_folder != NULL && cli->from_csv != NULL)
		 : cli->arg_count < 2)
		err_set(&err, ST_BAD_CONFIG,
			"enroll PERSON PICTURE..., or enroll --from-folder "
			"DIR, or enroll --from-csv FILE");
	else if (many ? cli->name != NULL || cli->mode != NULL
		      : cli->report != NULL)
		err_set(&err, ST_BAD_CONFIG,
			"--name and --mode are for one person, --report is "
			"for many");
	else
		return many ? bulk_run(cli, &err) : enroll_one(cli, &err);
	return cli_fail(&err, NULL);
}
