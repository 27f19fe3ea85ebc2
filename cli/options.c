#include "options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Where an option's value goes, by its kind: const char *, bool, unsigned, or
 * for a choice of two words a bool that is true for the second. */
enum kind { TEXT, FLAG, NUMBER, CHOICE };

struct option {
	const char *name;
	const char *commands; /* those it belongs to, the main one first */
	enum kind kind;
	size_t at;		    /* offset in struct cli */
	const char *first, *second; /* CHOICE */
	unsigned least, most;	    /* NUMBER */
};

#define AT(member) offsetof(struct cli, member)
#define REMOTE	   "enroll verify identify logs people doors health"

static const struct option options[] = {
	{ "pairs", "evaluate", TEXT, AT(pairs), NULL, NULL, 0, 0 },
	{ "images", "evaluate", TEXT, AT(images), NULL, NULL, 0, 0 },
	{ "errata", "evaluate", TEXT, AT(errata), NULL, NULL, 0, 0 },
	{ "attributes", "evaluate", TEXT, AT(attributes), NULL, NULL, 0, 0 },
	{ "curves", "evaluate", TEXT, AT(curves), NULL, NULL, 0, 0 },
	{ "threads", "evaluate", NUMBER, AT(threads), NULL, NULL, 1,
	  ENGINE_WORKERS_MAX },
	{ "align", "evaluate align", CHOICE, AT(margin), "points", "margin", 0,
	  0 },
	{ "all-impostors", "evaluate", FLAG, AT(all_impostors), NULL, NULL, 0,
	  0 },
	{ "face", "align", CHOICE, AT(centre), "largest", "centre", 0, 0 },
	{ "side", "align", NUMBER, AT(side), NULL, NULL, ENGINE_CROP_PX,
	  ENGINE_CROP_MAX_PX },
	{ "aligned", "embed", FLAG, AT(aligned), NULL, NULL, 0, 0 },
	{ "role", "keys", TEXT, AT(role), NULL, NULL, 0, 0 },
	{ "label", "keys", TEXT, AT(label), NULL, NULL, 0, 0 },
	{ "passphrase-file", "export import", TEXT, AT(passphrase_file), NULL,
	  NULL, 0, 0 },
	{ "existing", "import", TEXT, AT(existing), NULL, NULL, 0, 0 },
	{ "plain", "export", FLAG, AT(plain), NULL, NULL, 0, 0 },
	{ "anchor", "audit", TEXT, AT(anchor), NULL, NULL, 0, 0 },
	{ "signing", "keys " REMOTE, FLAG, AT(signing), NULL, NULL, 0, 0 },
	{ "server", REMOTE, TEXT, AT(server), NULL, NULL, 0, 0 },
	{ "api-key-file", REMOTE, TEXT, AT(api_key_file), NULL, NULL, 0, 0 },
	{ "cacert", REMOTE, TEXT, AT(cacert), NULL, NULL, 0, 0 },
	{ "cert", REMOTE " keys", TEXT, AT(cert), NULL, NULL, 0, 0 },
	{ "key", REMOTE, TEXT, AT(key), NULL, NULL, 0, 0 },
	{ "name", "enroll people", TEXT, AT(name), NULL, NULL, 0, 0 },
	{ "search", "people", TEXT, AT(search), NULL, NULL, 0, 0 },
	{ "groups", "people doors", TEXT, AT(groups), NULL, NULL, 0, 0 },
	{ "mode", "enroll", TEXT, AT(mode), NULL, NULL, 0, 0 },
	{ "duplicate", "enroll", TEXT, AT(duplicate), NULL, NULL, 0, 0 },
	{ "from-folder", "enroll", TEXT, AT(from_folder), NULL, NULL, 0, 0 },
	{ "from-csv", "enroll", TEXT, AT(from_csv), NULL, NULL, 0, 0 },
	{ "report", "enroll", TEXT, AT(report), NULL, NULL, 0, 0 },
	{ "door", "verify identify logs", TEXT, AT(door), NULL, NULL, 0, 0 },
	{ "top", "identify", TEXT, AT(top), NULL, NULL, 0, 0 },
	{ "group", "identify", TEXT, AT(group), NULL, NULL, 0, 0 },
	{ "person", "logs export", TEXT, AT(person), NULL, NULL, 0, 0 },
	{ "decision", "logs", TEXT, AT(decision), NULL, NULL, 0, 0 },
	{ "reason", "logs", TEXT, AT(reason), NULL, NULL, 0, 0 },
	{ "from", "logs", TEXT, AT(from), NULL, NULL, 0, 0 },
	{ "to", "logs", TEXT, AT(to), NULL, NULL, 0, 0 },
	{ "min-score", "logs", TEXT, AT(min_score), NULL, NULL, 0, 0 },
	{ "limit", "logs audit", NUMBER, AT(limit), NULL, NULL, 1, 1000000000 },
	{ "follow", "logs", FLAG, AT(follow), NULL, NULL, 0, 0 },
	{ "csv", "logs", FLAG, AT(csv), NULL, NULL, 0, 0 },
};

const struct option *options_find(const char *name)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(name, options[i].name) == 0)
			return &options[i];
	return NULL;
}

bool options_take_value(const struct option *o)
{
	return o->kind != FLAG;
}

/* Whether the command is one of the option's. */
static bool belongs(const struct option *o, const char *command)
{
	size_t n = strlen(command);
	const char *word = o->commands;

	for (;;) {
		size_t length = strcspn(word, " ");

		if (length == n && memcmp(word, command, n) == 0)
			return true;
		if (word[length] == '\0')
			return false;
		word += length + 1;
	}
}

static enum status set_number(const struct option *o, const char *value,
			      unsigned *out, struct errinfo *err)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end != '\0' || n < o->least ||
	    n > o->most)
		return err_set(err, ST_BAD_CONFIG,
			       "--%s: %.40s is not within %u and %u", o->name,
			       value, o->least, o->most);
	*out = (unsigned)n;
	return ST_OK;
}

enum status options_set(struct cli *cli, const struct option *o,
			const char *command, const char *value,
			struct errinfo *err)
{
	void *place = (char *)cli + o->at;

	if (!belongs(o, command))
		return err_set(err, ST_BAD_CONFIG,
			       "--%s is an option of %.*s, not of %s", o->name,
			       (int)strcspn(o->commands, " "), o->commands,
			       command);
	switch (o->kind) {
	case TEXT:
		*(const char **)place = value;
		break;
	case FLAG:
		*(bool *)place = true;
		break;
	case NUMBER:
		return set_number(o, value, place, err);
	case CHOICE:
		*(bool *)place = strcmp(value, o->second) == 0;
		if (!*(bool *)place && strcmp(value, o->first) != 0)
			return err_set(err, ST_BAD_CONFIG,
				       "--%s: %.40s is not %s or %s", o->name,
				       value, o->first, o->second);
		break;
	}
	return ST_OK;
}
