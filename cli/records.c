/* facegate people and doors: what a daemon keeps of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

/* What people and doors do not have in common. */
struct kind {
	const char *path, *id, *usage, *method; /* method: how one is made */
	void (*print)(const json_t *row);
};

static void print_words(const json_t *list)
{
	const json_t *word;
	size_t i;

	json_array_foreach(list, i, word)
		printf("%s%s", i ? "," : "", json_string_value(word));
}

static void print_person(const json_t *row)
{
	const char *name = json_string_value(json_object_get(row, "name"));

	printf("%s  %" JSON_INTEGER_FORMAT "  ",
	       json_string_value(json_object_get(row, "person_id")),
	       json_integer_value(json_object_get(row, "templates")));
	print_words(json_object_get(row, "groups"));
	printf("  %s%s\n", name ? name : "",
	       json_is_true(json_object_get(row, "needs_enrolment"))
		       ? "  (enrol again: another model)"
		       : "");
}

static void print_door(const json_t *row)
{
	const json_t *score = json_object_get(row, "min_score");
	const json_t *rate = json_object_get(row, "target_fmr");

	printf("%s  ", json_string_value(json_object_get(row, "door_id")));
	if (json_is_number(score))
		printf("score %.4f  ", json_number_value(score));
	else if (json_is_number(rate))
		printf("fmr %g  ", json_number_value(rate));
	else
		printf("fmr default  ");
	print_words(json_object_get(row, "groups"));
	putchar('\n');
}

static const struct kind people = {
	"/people", "person_id",
	"people list | show ID | add ID [FILE.json] | rename ID NAME | delete "
	"ID",
	"POST", print_person
};
static const struct kind doors = {
	"/doors", "door_id",
	"doors list | show ID | add ID [FILE.json] | delete ID", "PUT",
	print_door
};

/* A line a member, as the API has them. */
static void print_members(json_t *o)
{
	const char *name;
	json_t *value;

	json_object_foreach(o, name, value)
	{
		char *text = json_is_string(value)
				     ? NULL
				     : json_dumps(
					       value,
					       JSON_ENCODE_ANY |
						       JSON_REAL_PRECISION(9));

		printf("%s: %s\n", name,
		       text ? text : json_string_value(value));
		free(text);
	}
}

static enum status list(const struct cli *cli, const struct kind *k,
			struct client *c, struct errinfo *err)
{
	struct client_param params[] = { { "limit", "100" },
					 { "after", NULL },
					 { "search", cli->search },
					 { NULL, NULL } };
	const struct client_request q = { .method = "GET",
					  .path = k->path,
					  .params = params };
	json_t *all = json_array(), *last = NULL, *row;
	enum status st;
	size_t i;

	do {
		struct client_reply reply;
		json_t *rows;

		st = client_send(c, &q, &reply, err);
		json_decref(last);
		last = reply.json;
		rows = json_object_get(last, k->path + 1);
		params[1].value = json_string_value(
			json_object_get(last, "next"));
		if (st == ST_OK && cli->json)
			json_array_extend(all, rows);
		else if (st == ST_OK)
			json_array_foreach(rows, i, row) k->print(row);
	} while (st == ST_OK && params[1].value != NULL);
	json_decref(last);
	if (st == ST_OK && cli->json)
		cli_print_json(json_pack("{s:o}", k->path + 1, all));
	else
		json_decref(all);
	return st;
}

/* The object of a file, if one is given, with what the options add. */
static enum status description(const struct cli *cli, const struct kind *k,
			       json_t **out, struct errinfo *err)
{
	const char *path = cli->arg_count == 3 ? cli->args[2] : NULL;
	struct client_file file = { NULL, 0 };
	struct errinfo why;
	const char *word;

	err_clear(&why);
	if (path == NULL)
		*out = json_object();
	else if (client_read(path, &file, &why) != ST_OK)
		return err_set(err, ST_IO_ERROR, "%.100s: %.80s", path,
			       why.text);
	else
		*out = json_loadb(file.bytes, file.size, JSON_REJECT_DUPLICATES,
				  NULL);
	free(file.bytes);
	if (!json_is_object(*out))
		return err_set(err, ST_BAD_JSON, "%.100s: is no JSON object",
			       path ? path : "");
	/* A door's id is in the address alone. */
	if (k == &people)
		json_object_set_new(*out, k->id, cli_text(cli->args[1]));
	if (cli->name != NULL)
		json_object_set_new(*out, "name", cli_text(cli->name));
	if (cli->groups != NULL) {
		json_t *groups = json_array();

		for (word = cli->groups; *word != '\0';) {
			size_t n = strcspn(word, ",");

			json_array_append_new(groups, json_stringn(word, n));
			word += n + (word[n] != '\0');
		}
		json_object_set_new(*out, "groups", groups);
	}
	return ST_OK;
}

/* Sends a request about one, and shows the answer if there is one. */
static enum status ask(const struct cli *cli, struct client *c,
		       const char *method, const struct kind *k, const char *id,
		       const json_t *body, struct errinfo *err)
{
	const struct client_request q = {
		.method = method, .path = k->path, .id = id, .body = body
	};
	struct client_reply reply;
	enum status st = client_send(c, &q, &reply, err);

	if (st == ST_OK && reply.json != NULL && cli->json) {
		cli_print_json(reply.json);
		return ST_OK;
	}
	if (st == ST_OK && reply.json != NULL)
		print_members(reply.json);
	json_decref(reply.json);
	return st;
}

static enum status add(const struct cli *cli, struct client *c,
		       const struct kind *k, struct errinfo *err)
{
	json_t *body = NULL;
	enum status st = description(cli, k, &body, err);

	if (st == ST_OK)
		st = ask(cli, c, k->method, k,
			 k == &people ? NULL : cli->args[1], body, err);
	json_decref(body);
	return st;
}

static enum status rename_person(const struct cli *cli, struct client *c,
				 struct errinfo *err)
{
	json_t *body = json_pack("{s:o}", "name", cli_text(cli->args[2]));
	enum status st = ask(cli, c, "PATCH", &people, cli->args[1], body, err);

	json_decref(body);
	return st;
}

static int run(const struct cli *cli, const struct kind *k)
{
	const char *verb = cli->args[0];
	size_t n = cli->arg_count;
	struct client *c = NULL;
	struct errinfo err;
	bool known = true;
	enum status st;

	err_clear(&err);
	st = client_open(cli, &c, &err);
	if (st != ST_OK)
		goto done;
	if (n == 1 && strcmp(verb, "list") == 0)
		st = list(cli, k, c, &err);
	else if (n == 2 && strcmp(verb, "show") == 0)
		st = ask(cli, c, "GET", k, cli->args[1], NULL, &err);
	else if (n >= 2 && strcmp(verb, "add") == 0)
		st = add(cli, c, k, &err);
	else if (n == 2 && strcmp(verb, "delete") == 0)
		st = ask(cli, c, "DELETE", k, cli->args[1], NULL, &err);
	else if (n == 3 && k == &people && strcmp(verb, "rename") == 0)
		st = rename_person(cli, c, &err);
	else
		known = false;
	if (!known)
		st = err_set(&err, ST_BAD_CONFIG, "%s", k->usage);
done:
	client_close(c);
	return st == ST_OK ? EXIT_MATCH : cli_fail(&err, NULL);
}

int cli_people(const struct cli *cli)
{
	return run(cli, &people);
}

int cli_doors(const struct cli *cli)
{
	return run(cli, &doors);
}
