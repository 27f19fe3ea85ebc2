/* Who is to be enrolled from which file: from folders or from CSV. */
#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulk.h"
#include "client.h"
#include "docvalue.h"
#include "userid.h"

#define FIELDS_MAX 256

static enum status no_memory(struct errinfo *err)
{
	return err_set(err, ST_NO_MEMORY, "no memory for the list");
}

enum status bulk_add(struct bulk_plan *plan, const char *person,
		     const char *name, const char *picture, struct errinfo *err)
{
	struct bulk_item *item;

	if (plan->count == plan->room) {
		size_t room = plan->room ? plan->room * 2 : 256;

		item = realloc(plan->items, room * sizeof(*item));
		if (item == NULL)
			return no_memory(err);
		plan->items = item;
		plan->room = room;
	}
	item = &plan->items[plan->count++];
	item->person = strdup(person);
	item->name = name ? strdup(name) : NULL;
	item->picture = strdup(picture);
	if (item->person == NULL || item->picture == NULL ||
	    (name != NULL && item->name == NULL))
		return no_memory(err);
	return ST_OK;
}

void bulk_free(struct bulk_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		free(plan->items[i].person);
		free(plan->items[i].name);
		free(plan->items[i].picture);
	}
	free(plan->items);
	*plan = (struct bulk_plan){ NULL, 0, 0 };
}

/* ---- folders ---- */

/* The id of a folder or file name: the name, or one made of it. */
static enum status id_of(const char *name, char out[PERSON_ID_MAX + 1],
			 struct errinfo *err)
{
	if (docvalue_id_ok(name))
		(void)snprintf(out, PERSON_ID_MAX + 1, "%s", name);
	else if (!userid_to_id(name, out))
		return err_set(err, ST_BAD_CONFIG,
			       "%.40s is no name of a person: rename it, or "
			       "use --from-csv",
			       name);
	return ST_OK;
}

/* anna.jpg, anna_2.jpg and anna-3.jpg are of anna. Changes name. */
static void strip_file_name(char *name)
{
	char *dot = strrchr(name, '.');
	size_t n, digits = 0;

	if (dot != NULL && dot != name)
		*dot = '\0';
	n = strlen(name);
	while (digits < n && name[n - 1 - digits] >= '0' &&
	       name[n - 1 - digits] <= '9')
		digits++;
	if (digits > 0 && n > digits + 1 && strchr("_-", name[n - digits - 1]))
		name[n - digits - 1] = '\0';
}

static enum status add_file(struct bulk_plan *plan, const FTSENT *f,
			    struct errinfo *err)
{
	char person[PERSON_ID_MAX + 1];
	char *name = strdup(f->fts_level == 1 ? f->fts_name
					      : f->fts_parent->fts_name);
	enum status st;

	if (name == NULL)
		return no_memory(err);
	if (f->fts_level == 1)
		strip_file_name(name);
	st = id_of(name, person, err);
	if (st == ST_OK)
		st = bulk_add(plan, person, strcmp(name, person) ? name : NULL,
			      f->fts_path, err);
	free(name);
	return st;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int by_person(const void *a, const void *b)
{
	const struct bulk_item *x = a, *y = b;

	return strcmp(x->person, y->person);
}

/* Two names with one id would be taken for one person. */
static enum status check_ids(const struct bulk_plan *plan, struct errinfo *err)
{
	struct bulk_item *sorted = calloc(plan->count + 1, sizeof(*sorted));
	enum status st = ST_OK;

	if (sorted == NULL)
		return no_memory(err);
	if (plan->count > 0)
		memcpy(sorted, plan->items, plan->count * sizeof(*sorted));
	qsort(sorted, plan->count, sizeof(*sorted), by_person);
	for (size_t i = 1; i < plan->count && st == ST_OK; i++) {
		const struct bulk_item *a = &sorted[i - 1], *b = &sorted[i];
		const char *one = a->name ? a->name : a->person;
		const char *two = b->name ? b->name : b->person;

		if (strcmp(a->person, b->person) == 0 && strcmp(one, two) != 0)
			st = err_set(err, ST_BAD_CONFIG,
				     "%.40s and %.40s would both get the id "
				     "%.40s: rename one, or use --from-csv",
				     one, two, a->person);
	}
	free(sorted);
	return st;
}

enum status bulkplan_folder(struct bulk_plan *plan, const char *folder,
			    struct errinfo *err)
{
	char *roots[] = { strdup(folder), NULL };
	FTS *fts = roots[0]
			   ? fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name)
			   : NULL;
	enum status st = ST_OK;
	FTSENT *f;

	if (fts == NULL)
		st = no_memory(err);
	while (st == ST_OK && (f = fts_read(fts)) != NULL) {
		/* Hidden files are no pictures; folders go one level deep. */
		bool skip = f->fts_level > 0 && f->fts_name[0] == '.';
		/* A link to nothing fails when it is read. */
		bool file = f->fts_info == FTS_F || f->fts_info == FTS_SLNONE;

		if (f->fts_info == FTS_D && (skip || f->fts_level > 1))
			fts_set(fts, f, FTS_SKIP);
		else if (file && f->fts_level == 0)
			st = err_set(err, ST_BAD_CONFIG, "%.100s is no folder",
				     folder);
		else if (file && !skip)
			st = add_file(plan, f, err);
		else if (f->fts_info == FTS_DNR || f->fts_info == FTS_ERR ||
			 f->fts_info == FTS_NS)
			st = err_set(err, ST_IO_ERROR, "%.100s: %s",
				     f->fts_path, strerror(f->fts_errno));
	}
	if (fts != NULL)
		fts_close(fts);
	free(roots[0]);
	return st == ST_OK ? check_ids(plan, err) : st;
}

/* ---- CSV ---- */

/* Splits one record in place, as RFC 4180 has them: fields in quotes may hold
 * commas, line ends and doubled quotes. Returns the place behind it. */
static char *split(char *at, char **fields, size_t *count)
{
	*count = 0;
	for (;;) {
		char *out = at;
		bool quoted = *at == '"';
		char end;

		if (*count < FIELDS_MAX)
			fields[*count] = at;
		++*count;
		at += quoted;
		for (; *at != '\0'; *out++ = *at++) {
			if (quoted && at[0] == '"' && at[1] == '"')
				at++;
			else if (quoted && *at == '"')
				quoted = false, at++;
			if (!quoted && strchr(",\r\n", *at) != NULL)
				break; /* the NUL too */
		}
		end = *at;
		if (end == '\r' && at[1] == '\n')
			at++;
		if (end != '\0')
			at++;
		*out = '\0';
		if (end != ',')
			return at;
	}
}

/* The file that a field names, which the caller frees. */
static char *beside(const char *csv, const char *file)
{
	const char *slash = strrchr(csv, '/');
	char *path = NULL;

	if (file[0] == '/' || slash == NULL)
		return strdup(file);
	if (asprintf(&path, "%.*s/%s", (int)(slash - csv), csv, file) < 0)
		return NULL;
	return path;
}

enum status bulkplan_csv(struct bulk_plan *plan, const char *path,
			 struct errinfo *err)
{
	struct client_file file = { NULL, 0 };
	char *fields[FIELDS_MAX], *at;
	size_t record = 1, count;
	struct errinfo why;
	enum status st = ST_OK;

	err_clear(&why);
	if (client_read(path, &file, &why) != ST_OK)
		return err_set(err, ST_IO_ERROR, "%.100s: %.80s", path,
			       why.text);
	at = file.bytes;
	if (strncmp(at, "\xEF\xBB\xBF", 3) == 0) /* a byte order mark */
		at += 3;
	for (; *at != '\0' && st == ST_OK; record++) {
		at = split(at, fields, &count);
		if (count == 1 && fields[0][0] == '\0')
			continue;
		if (record == 1 && (strcmp(fields[0], "person") == 0 ||
				    strcmp(fields[0], "person_id") == 0))
			continue;
		if (count < 3 || count > FIELDS_MAX || fields[0][0] == '\0')
			st = err_set(err, ST_BAD_CONFIG,
				     "%.100s: record %zu is not person,name,"
				     "file",
				     path, record);
		for (size_t i = 2; i < count && st == ST_OK; i++) {
			char *picture = beside(path, fields[i]);

			if (fields[i][0] != '\0' && picture != NULL)
				st = bulk_add(plan, fields[0],
					      fields[1][0] ? fields[1] : NULL,
					      picture, err);
			else if (picture == NULL)
				st = no_memory(err);
			free(picture);
		}
	}
	free(file.bytes);
	return st;
}
