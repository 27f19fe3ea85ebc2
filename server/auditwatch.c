#include "auditwatch.h"

#include <limits.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "engine_setup.h"
#include "keystore.h"
#include "log.h"

/* More keys than there are in the table of config.c. */
#define LINES_MAX 128

static void log_failure(enum status *told, enum status st,
			const struct errinfo *err)
{
	if (st != ST_OK && st != *told)
		log_line(LOG_ERROR, "not_audited", "code=%s text=\"%s\"",
			 status_code(st), err->text);
	*told = st;
}

/* A step along the chain; false when there is no more to follow. */
static bool check_chain(struct auditwatch *w)
{
	struct db_audit_report report;
	struct errinfo err;
	bool through;
	enum status st;

	err_clear(&err);
	st = db_audit_step(w->db, &report, &through, &err);
	log_failure(&w->chain_told, st, &err);
	if (st != ST_OK || !through)
		return st == ST_OK;
	if (report.broken_at != 0 && report.broken_at != w->broken_told)
		log_line(LOG_ERROR, "audit_broken", "seq=%lld text=\"%s\"",
			 (long long)report.broken_at, report.why);
	w->broken_told = report.broken_at;
	return false;
}

/* Version, model and 64 bits of the hash of the whole configuration. */
static void describe(const char *all, const char *model_id,
		     char out[DB_AUDIT_OBJECT_MAX + 1])
{
	uint8_t hash[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;
	int n;

	sha256_init(&ctx);
	sha256_update(&ctx, strlen(all), (const uint8_t *)all);
	sha256_digest(&ctx, sizeof(hash), hash);
	n = snprintf(out, DB_AUDIT_OBJECT_MAX + 1, "%s %s ", FACEGATE_VERSION,
		     model_id);
	for (int i = 0; i < 8 && n > 0 && n < DB_AUDIT_OBJECT_MAX; i++)
		n += snprintf(out + n, (size_t)(DB_AUDIT_OBJECT_MAX + 1 - n),
			      "%02x", hash[i]);
}

/* The lines of text, cut where they are longer than a row takes. */
static size_t split(char *text, const char *lines[LINES_MAX])
{
	size_t n = 0;
	char *rest, *line = strtok_r(text, "\n", &rest);

	for (; line != NULL && n < LINES_MAX; n++) {
		lines[n] = line;
		if (strlen(line) > DB_AUDIT_OBJECT_MAX)
			line[DB_AUDIT_OBJECT_MAX] = '\0';
		line = strtok_r(NULL, "\n", &rest);
	}
	return n;
}

/* What print writes; free() it. */
static char *text_of(const struct config *cfg,
		     void (*print)(const struct config *cfg, FILE *out))
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (f == NULL)
		return NULL;
	print(cfg, f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

static void tell_config(struct auditwatch *w, const char *model_id)
{
	char *all = text_of(w->cfg, cfg_print);
	char *changes = text_of(w->cfg, cfg_print_changes);
	struct db_by by = { NULL, srv_wall_ms() };
	char whole[DB_AUDIT_OBJECT_MAX + 1];
	const char *lines[LINES_MAX];
	struct errinfo err;
	enum status st;

	err_clear(&err);
	if (all == NULL || changes == NULL) {
		st = err_set(&err, ST_NO_MEMORY,
			     "no memory for the configuration");
	} else {
		describe(all, model_id, whole);
		st = db_audit_config(w->db, &by, whole, lines,
				     split(changes, lines), &err);
	}
	log_failure(&w->told, st, &err);
	free(all);
	free(changes);
}

static enum status tell_keys(struct auditwatch *w, struct errinfo *err)
{
	size_t max = (size_t)w->cfg->keys_max, count = 0;
	struct keystore_key *keys = calloc(max, sizeof(*keys));
	struct db_audit_key *told = calloc(max, sizeof(*told));
	struct db_by by = { NULL, srv_wall_ms() };
	enum status st;

	if (keys == NULL || told == NULL)
		st = err_set(err, ST_NO_MEMORY, "no memory for the keys");
	else
		st = keystore_load(w->cfg->data_dir, keys, max, &count, err);
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		(void)snprintf(told[i].id, sizeof(told[i].id), "%s",
			       keys[i].id);
		told[i].role = keystore_role_word(keys[i].role);
	}
	if (st == ST_OK)
		st = db_audit_keys(w->db, &by, told, count, err);
	keystore_free(keys, max);
	free(told);
	return st;
}

static void look_at_keys(struct auditwatch *w)
{
	struct stat now = { 0 };
	char path[PATH_MAX];
	struct errinfo err;
	enum status st;

	(void)snprintf(path, sizeof(path), "%s/" KEYS_FILE, w->cfg->data_dir);
	/* No file is no keys. It is looked at before it is read: one that is
	 * replaced in between is told the next time. */
	(void)stat(path, &now);
	if (w->known && now.st_ino == w->seen.st_ino &&
	    now.st_size == w->seen.st_size &&
	    now.st_mtim.tv_sec == w->seen.st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == w->seen.st_mtim.tv_nsec)
		return;
	err_clear(&err);
	st = tell_keys(w, &err);
	log_failure(&w->told, st, &err);
	w->known = st == ST_OK;
	w->seen = now;
}

void auditwatch_tick(struct auditwatch *w)
{
	look_at_keys(w);
	(void)check_chain(w);
}

void auditwatch_start(struct auditwatch *w, const struct config *cfg,
		      struct db *db, const char *model_id)
{
	*w = (struct auditwatch){ .cfg = cfg, .db = db };
	while (check_chain(w))
		;
	tell_config(w, model_id);
	look_at_keys(w);
}
