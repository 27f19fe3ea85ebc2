/* The store: people, their templates and the match log, in one SQLite file.
 *
 * Durability: people and templates are committed with synchronous=FULL before
 * a function returns ST_OK. Match log rows are committed with
 * synchronous=NORMAL: they survive the death of the process; a power cut may
 * take those of the last moments.
 * Threads: every function may be called from any thread. Writers take one
 * mutex and use the one writing connection, which alone checkpoints (SQLite
 * before 3.51.3 can corrupt a WAL that two connections reset). Readers
 * (db_person_get, db_people_list, db_log_list) use a second, query-only
 * connection with its own mutex, so they never wait for an fsync.
 * Memory: SQLite's page cache and heap are capped at db_open, before SQLite
 * is first used. Nobody else in the process may use SQLite before that.
 * Texts are UTF-8 with NUL; ids are checked by the caller (see PERSON_ID_MAX).
 */
#ifndef FACEGATE_DB_H
#define FACEGATE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facetypes.h"
#include "status.h"

struct db;

#define PERSON_ID_MAX	 64  /* bytes, of [A-Za-z0-9._:@-]; NUL not counted */
#define PERSON_NAME_MAX	 128 /* bytes */
#define DOOR_ID_MAX	 64
#define REASON_MAX	 32
#define GROUP_ID_MAX	 32 /* bytes, of the same characters */
#define GROUPS_MAX	 8
#define GROUPS_TEXT	 (GROUPS_MAX * (GROUP_ID_MAX + 1)) /* with the NUL */
#define METADATA_MAX	 512  /* bytes of JSON text */
#define DOOR_WINDOWS_MAX 1024 /* bytes of JSON text */
#define DOOR_ZONE_MAX	 64
#define REQUEST_ID_MAX	 64

#define DB_CACHE_MIN_BYTES ((size_t)64 * 1024)
/* 10,000 people and 100,000 log rows have used under 200 KiB of it. */
#define DB_HEAP_MIN_BYTES ((size_t)512 * 1024)

struct db_options {
	const char *dir;	/* must exist and be writable */
	size_t cache_bytes;	/* page cache of both connections together */
	size_t heap_bytes;	/* hard heap limit for all else in SQLite */
	int64_t log_max_rows;	/* never more; oldest go, a 64th at a time */
	int64_t log_days;	/* older ones go too, see db_upkeep; 0: not */
	int64_t audit_max_rows; /* never more; oldest go, as in the match log */
	int64_t people_max, doors_max;
	const char *key_file; /* see seal.h */
	/* The automatic backup, NULL for none, and how long after a change of
	 * people or doors it is made at the latest; see db_upkeep. */
	const char *backup_file;
	int64_t backup_minutes;
	/* Whose templates are of use now; must live as long as the store.
	 * NULL: none's. */
	const char *model_id;
};

/* Opens or makes dir/facegate.db, checks it (quick_check), migrates it. What a
 * template holds, and names, metadata and cards of people, are encrypted with
 * the keys of key_file; it is made when it is missing and nothing has been
 * encrypted yet. ST_BAD_KEY_FILE when it is missing or has not the keys that
 * the database was written with.
 * ST_BAD_DATABASE for damage, a foreign file or a newer schema; ST_IO_ERROR
 * when the folder is missing or read-only; ST_DISK_FULL; ST_DATABASE_BUSY
 * when another process holds it. */
enum status db_open(const struct db_options *opt, struct db **out,
		    struct errinfo *err) MUST_CHECK;
/* As db_open. If that finds damage, or no file where there is a backup, the
 * automatic backup takes its place as by db_restore. Failing that, the damaged
 * file is opened to be read as far as it can be, and left as it is: then every
 * function that writes returns ST_VERIFY_ONLY, and db_templates_each passes
 * over what it cannot read. Either is told by db_condition and in one line of
 * the log. On a full or read-only disk it is opened to be read alone as well,
 * if anybody is enrolled, and what writes returns ST_DISK_FULL or ST_IO_ERROR
 * until it is opened again. Another program's file, or one of a newer version,
 * is no damage. */
enum status db_open_or_restore(const struct db_options *opt, struct db **out,
			       struct errinfo *err) MUST_CHECK;
/* Opens dir/facegate.db to read it alone, also beside a daemon that has it:
 * takes no lock on the folder, changes no row, upgrades nothing. Only
 * db_templates_each, db_templates_foreign and the other readers may be
 * called. A walk that lasts holds back the daemon's wiping of deleted rows,
 * so be short. ST_BAD_DATABASE when it is
 * of an older version that only db_open upgrades. Where no daemon runs, SQLite
 * may leave an empty WAL behind, which the next start removes. Neither
 * log_max_rows nor the other limits are used. ST_IO_ERROR when there is no such
 * file, else as db_open. */
enum status db_open_readonly(const struct db_options *opt, struct db **out,
			     struct errinfo *err) MUST_CHECK;
void db_close(struct db *db); /* checkpoints; NULL is fine */

/* Copies dir/facegate.db, also beside a daemon that has it and writes, into a
 * file of its own: as it is at one moment, rows as they are encrypted, checked
 * page for page, mode 0600, synced, and only then put in the place of `file`. A
 * backup of before is replaced, and no other file: ST_BAD_CONFIG. Else as
 * db_open_readonly. */
enum status db_backup(const struct db_options *opt, const char *file,
		      struct errinfo *err) MUST_CHECK;
#define DB_KEPT_MAX 64
/* Puts a copy of a backup, which may be of an older version, in the place of
 * dir/facegate.db, if no daemon has it (ST_DATABASE_BUSY). kept is the name in
 * dir under which the file is kept that was there, "" when there was none; one
 * kept before then goes. ST_BAD_DATABASE when it is damaged or no database of
 * ours, ST_BAD_KEY_FILE when key_file has not the keys it was written with. On
 * error all is as it was; should the folder take no further change in the
 * middle, the text tells the name of the old database, and the next restore
 * begins with putting it back. */
enum status db_restore(const struct db_options *opt, const char *file,
		       char kept[DB_KEPT_MAX], struct errinfo *err) MUST_CHECK;

/* To be called every second or so, by one thread, and at once again while
 * *more: tries again what could not be wiped, moves what was changed from the
 * WAL into the file three turns after the last change, removes rows of the
 * match log that are older than log_days, 64 at a time and as bytes too, once a
 * minute, and makes the automatic backup. That is made a minute after the start
 * or the last erasure when there is none, backup_minutes after the last one
 * when people or doors have changed, and once a day for the match log alone. A
 * call takes milliseconds, the one that checks and syncs the copy as long as
 * the disk needs. Failures are logged and tried again after a minute. now_ms is
 * Unix time. */
void db_upkeep(struct db *db, int64_t now_ms, bool *more);
/* How the store is. */
struct db_condition {
	/* See db_open_or_restore. verify_only: nothing is stored, since it is
	 * damaged or the disk was full or read-only. */
	bool verify_only, restored;
	bool wiping_due;   /* bytes of what is erased are still in the files */
	int64_t backup_ms; /* Unix time of the automatic backup, 0: none */
	int64_t audit_broken_at; /* of db_audit_step (audit.h), 0: whole */
};
void db_condition(struct db *db, struct db_condition *out);

/* Cheap test that the store can be written (for readiness): begins and rolls
 * back an immediate transaction. After a write that the disk did not take it
 * writes a page instead, so that flash is not worn out by probes. */
enum status db_writable(struct db *db, struct errinfo *err) MUST_CHECK;

/* The number on a person's access card, for doors that replay it. */
struct db_card {
	int64_t facility, number; /* -1 for none */
};

struct db_person {
	int64_t key; /* row id, never reused */
	char id[PERSON_ID_MAX + 1];
	char name[PERSON_NAME_MAX + 1]; /* "" when none was given */
	int64_t created_ms, updated_ms; /* Unix time, milliseconds, UTC */
	int64_t templates;		/* of any model */
	int64_t usable;			/* of db_options' model */
	char groups[GROUPS_TEXT];	/* separated by a space each */
	int64_t valid_from_ms, valid_until_ms; /* from <= t < until; 0: open */
	char metadata[METADATA_MAX + 1];       /* a JSON object */
	struct db_card card;
};

#define DB_KEY_ID_MAX 16

/* Who does something, and when: each such act is a row of the audit log, in the
 * same transaction (audit.h). */
struct db_by {
	const char *key_id; /* the API key; NULL or "": none */
	int64_t now_ms;
};

/* A new person without templates; id to card of p count. ST_PERSON_EXISTS,
 * ST_STORE_FULL. */
enum status db_person_add(struct db *db, const struct db_person *p,
			  const struct db_by *by,
			  struct errinfo *err) MUST_CHECK;
/* Replaces name, groups, validity, metadata and card of the person with this
 * id. Of what was there no byte stays. ST_NO_SUCH_PERSON. */
enum status db_person_set(struct db *db, const struct db_person *p,
			  const struct db_by *by,
			  struct errinfo *err) MUST_CHECK;

struct db_enrolment {
	const char *person_id;
	const char *name; /* NULL keeps the stored one */
	bool replace;	  /* templates stored before go, as bytes too */
	const char *model_id;
	const struct face_template *templates;
	const float *quality; /* of each, 0 to 100; NULL: not known */
	/* The crops they were made from, FACE_CROP_BYTES each, one behind the
	 * other, to be stored with them; NULL: they are not kept. */
	const uint8_t *crops;
	size_t count;
	struct db_by by;
};

/* Stores one person's new templates, making the person if it is new; all in
 * one transaction. Fills person_key and template_ids[count]. ST_STORE_FULL
 * when there are people_max people. */
enum status db_enroll(struct db *db, const struct db_enrolment *e,
		      int64_t *person_key, int64_t *template_ids,
		      struct errinfo *err) MUST_CHECK;

/* ST_NO_SUCH_PERSON when unknown. */
enum status db_person_get(struct db *db, const char *person_id,
			  struct db_person *out,
			  struct errinfo *err) MUST_CHECK;
enum status db_person_by_key(struct db *db, int64_t key, struct db_person *out,
			     struct errinfo *err) MUST_CHECK;
/* Fills up to cap persons ordered by id, those after `after` ("" = start). */
enum status db_people_list(struct db *db, const char *after,
			   struct db_person *out, size_t cap, size_t *count,
			   struct errinfo *err) MUST_CHECK;
/* The keys of a group's people, rising, at most cap. */
enum status db_group_keys(struct db *db, const char *group, int64_t *keys,
			  size_t cap, size_t *count,
			  struct errinfo *err) MUST_CHECK;
/* Removes the person and its templates; no byte of them stays in the file,
 * the WAL or free pages (secure_delete, cleaned pages, then a truncating
 * checkpoint). Its match log rows lose the person's id. Should the checkpoint
 * fail, the deletion stands, a line is logged, and the wiping is tried again
 * at the next write or upkeep, at close and at open. The automatic backup and
 * replaced databases are removed before; where that fails nobody is deleted. */
enum status db_person_delete(struct db *db, const char *person_id,
			     const struct db_by *by, int64_t *person_key,
			     struct errinfo *err) MUST_CHECK;

/* What is told of a template; its numbers stay in the store. */
struct db_template {
	int64_t id;
	char model_id[MODEL_ID_MAX];
	double quality; /* 0 to 100; NaN when it was not kept */
	char key_id[DB_KEY_ID_MAX];
	int64_t created_ms;
	int64_t crop_id; /* of the crop it was made from; 0: it is not kept */
};
/* Fills up to cap of the person's templates with ids above `after`, ordered by
 * id. None for a person that is not there. */
enum status db_templates_list(struct db *db, const char *person_id,
			      int64_t after, struct db_template *out,
			      size_t cap, size_t *count,
			      struct errinfo *err) MUST_CHECK;
/* Removes one template, as bytes too, and the crop it was made from, unless a
 * template of db_options' model that is made from it stays. ST_NO_SUCH_PERSON,
 * ST_NO_SUCH_TEMPLATE. */
enum status db_template_delete(struct db *db, const char *person_id,
			       int64_t template_id, const struct db_by *by,
			       int64_t *person_key,
			       struct errinfo *err) MUST_CHECK;

/* Calls row() for every template of a model. A row() that returns other than
 * ST_OK ends the walk with that status; it must not call into db. A stored
 * row that is not a valid template ends it with ST_BAD_DATABASE. */
typedef enum status (*db_template_fn)(void *ctx, int64_t person_key,
				      int64_t template_id,
				      const struct face_template *t);
enum status db_templates_each(struct db *db, const char *model_id,
			      db_template_fn row, void *ctx,
			      struct errinfo *err) MUST_CHECK;
/* The same for one person. */
enum status db_templates_of(struct db *db, int64_t person_key,
			    const char *model_id, db_template_fn row, void *ctx,
			    struct errinfo *err) MUST_CHECK;
/* How often a row was read that did not decrypt, since the store was opened. */
uint64_t db_corrupt_rows(struct db *db);

/* Takes up a changed key file, and encrypts some rows again that are not yet
 * under its newest key, in one short transaction; *more while there may be
 * others. Cheap when there is nothing to do. A key file that cannot be used is
 * an error; the keys in use then stay. */
enum status db_reseal(struct db *db, bool *more,
		      struct errinfo *err) MUST_CHECK;
/* The two ends of a change of keys, without an open store: a new key in the key
 * file, and the newest alone. In between, db_reseal must have gone through. A
 * change that was not ended is gone on with: no further key is added. */
enum status db_key_add(const struct db_options *opt, int64_t *newest,
		       struct errinfo *err) MUST_CHECK;
enum status db_keys_drop(const struct db_options *opt,
			 struct errinfo *err) MUST_CHECK;
/* The lowest and the highest key version with which rows may be encrypted. */
enum status db_key_versions(struct db *db, int64_t *oldest, int64_t *newest,
			    struct errinfo *err) MUST_CHECK;

/* A crop that is kept, see db_enrolment. It waits as long as no template of the
 * model in use was made from it. */
struct db_crop {
	int64_t id, person_key;
};
/* How many there are, and how many of them wait for a template of model_id. */
enum status db_crops_count(struct db *db, const char *model_id, int64_t *all,
			   int64_t *waiting, struct errinfo *err) MUST_CHECK;
/* The next that waits, with a number above `after`. One that is not as it was
 * written is passed over, logged and counted. *found is false at the end. */
enum status db_crop_next(struct db *db, const char *model_id, int64_t after,
			 struct db_crop *out, uint8_t rgb[FACE_CROP_BYTES],
			 bool *found, struct errinfo *err) MUST_CHECK;
/* Stores what model_id made of a crop, as a template of the crop's person
 * beside those of other models. ST_NO_SUCH_TEMPLATE when the crop is gone or
 * waits no more. */
enum status db_crop_embedded(struct db *db, const struct db_crop *crop,
			     const char *model_id,
			     const struct face_template *t, float quality,
			     int64_t now_ms, int64_t *template_id,
			     struct errinfo *err) MUST_CHECK;
/* Removes some of the crops, as bytes and from the automatic backup too; *more
 * while there may be others. Templates stay. */
enum status db_crops_erase(struct db *db, const struct db_by *by, bool *more,
			   struct errinfo *err) MUST_CHECK;

/* How many people have templates, but none of db_options' model: they must be
 * enrolled again before anyone can be compared with them. */
enum status db_people_waiting(struct db *db, int64_t *count,
			      struct errinfo *err) MUST_CHECK;
/* How many templates belong to other models than model_id. */
enum status db_templates_foreign(struct db *db, const char *model_id,
				 int64_t *count,
				 struct errinfo *err) MUST_CHECK;

/* A door, and who may pass it when. */
struct db_door {
	char id[DOOR_ID_MAX + 1];
	double target_fmr;	  /* NaN: the configured one */
	double min_score;	  /* NaN: the cut that target_fmr stands for */
	char groups[GROUPS_TEXT]; /* "": everybody */
	char windows[DOOR_WINDOWS_MAX + 1]; /* a JSON array, [] for always */
	char timezone[DOOR_ZONE_MAX + 1];
	char credential[16]; /* format to replay, "" for none */
	int64_t updated_ms;  /* what db_door_put is given goes */
};
/* Makes or replaces; *made says which. ST_STORE_FULL at doors_max. */
enum status db_door_put(struct db *db, const struct db_door *d,
			const struct db_by *by, bool *made,
			struct errinfo *err) MUST_CHECK;
/* ST_NO_SUCH_DOOR when unknown. */
enum status db_door_get(struct db *db, const char *id, struct db_door *out,
			struct errinfo *err) MUST_CHECK;
enum status db_door_delete(struct db *db, const char *id,
			   const struct db_by *by,
			   struct errinfo *err) MUST_CHECK;
/* Fills up to cap doors ordered by id, those after `after` ("" = start). */
enum status db_doors_list(struct db *db, const char *after, struct db_door *out,
			  size_t cap, size_t *count,
			  struct errinfo *err) MUST_CHECK;

/* One row of the match log. Scores absent from an event are NaN. */
struct match_event {
	int64_t id;			   /* given by db_log_add */
	int64_t at_ms;			   /* Unix time, milliseconds, UTC */
	char route[16];			   /* "verify" or "identify" */
	char person_id[PERSON_ID_MAX + 1]; /* asked for, or found; "" if none */
	char door_id[DOOR_ID_MAX + 1];
	char decision[8]; /* allow, deny, unsure */
	char reason[REASON_MAX];
	double score, threshold;
	char model_id[MODEL_ID_MAX];
	char request_id[REQUEST_ID_MAX + 1];
	int64_t total_us;
	int64_t pool_peak_bytes;
	/* Not stored: whom the decision is about and which template it rests
	 * on, 0 for none. */
	int64_t person_key, template_id;
};
/* ST_NO_SUCH_PERSON, ST_NO_SUCH_TEMPLATE when person_key or template_id is not
 * there any more: then there is no row. */
enum status db_log_add(struct db *db, const struct match_event *ev, int64_t *id,
		       struct errinfo *err) MUST_CHECK;

struct log_filter { /* empty text, 0 and NaN mean: any */
	char person_id[PERSON_ID_MAX + 1];
	char door_id[DOOR_ID_MAX + 1];
	char decision[8];
	char reason[REASON_MAX];
	int64_t from_ms, to_ms; /* from <= at < to */
	double min_score;
	int64_t before_id; /* cursor: rows with a smaller id; 0 = newest */
	bool rising;	   /* oldest first, and this cursor instead: */
	int64_t after_id;  /* rows with a larger id; 0 = oldest */
};
/* Newest first unless rising, at most cap rows. */
enum status db_log_list(struct db *db, const struct log_filter *f,
			struct match_event *out, size_t cap, size_t *count,
			struct errinfo *err) MUST_CHECK;
enum status db_log_get(struct db *db, int64_t id, struct match_event *out,
		       bool *found, struct errinfo *err) MUST_CHECK;
/* The newest row's id, 0 for an empty log. */
enum status db_log_newest(struct db *db, int64_t *id,
			  struct errinfo *err) MUST_CHECK;

/* How far a receiver of decisions has come: the id of the last row that is
 * done with. *found is false, and *log_id 0, when it was never put. Put is as
 * durable as a row of the match log. */
enum status db_sink_get(struct db *db, const char *name, int64_t *log_id,
			bool *found, struct errinfo *err) MUST_CHECK;
enum status db_sink_put(struct db *db, const char *name, int64_t log_id,
			struct errinfo *err) MUST_CHECK;

#endif
