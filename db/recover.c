/* The start of a daemon whose database is damaged: the backup takes its place,
 * or what can be read of it is read and nothing written.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "audit.h"
#include "files.h"
#include "internal.h"
#include "log.h"

static void say_time(const char *file, char out[32])
{
	struct stat info;
	struct tm utc;

	if (stat(file, &info) != 0 || !gmtime_r(&info.st_mtime, &utc) ||
	    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		(void)snprintf(out, 32, "an unknown time");
}

static enum status restore(const struct db_options *opt, const char *why,
			   struct db **out, struct errinfo *err)
{
	char kept[DB_KEPT_MAX], made[32];
	struct db_by by = { NULL, 0 };
	struct errinfo unnoted;
	enum status st;

	err_clear(&unnoted);
	if (!opt->backup_file)
		return err_set(err, ST_BAD_DATABASE,
			       "no automatic backup is configured");
	say_time(opt->backup_file, made);
	st = db_restore(opt, opt->backup_file, kept, err);
	if (st == ST_OK)
		st = db_open(opt, out, err);
	if (st != ST_OK)
		return st;
	(*out)->restored = true;
	by.now_ms = (int64_t)time(NULL) * 1000;
	/* A full disk keeps nobody from a start. */
	if (db_audit_note(*out, &by, "restore", kept, &unnoted) != ST_OK)
		log_line(LOG_ERROR, "not_audited", "code=%s text=\"%s\"",
			 status_code(unnoted.status), unnoted.text);
	log_line(LOG_ERROR, "database_restored",
		 "backup_of=%s kept=%s text=\"%s What was changed since the "
		 "backup is lost.\"",
		 made, kept[0] ? kept : "nothing", why);
	return ST_OK;
}

/* A file cannot have become empty or have gone by itself when there is a backup
 * of it: a new database would turn everybody away without a word. */
static enum status find_loss(const struct db_options *opt, const char *path,
			     struct errinfo *err)
{
	enum db_file_kind kind;

	if (!opt->backup_file)
		return ST_OK;
	kind = db_file_kind(path);
	if (kind == DB_FILE_UNREADABLE)
		return db_fail_errno("Reading the database file", err);
	if (kind != DB_FILE_NONE)
		return ST_OK;
	kind = db_file_kind(opt->backup_file);
	if (kind == DB_FILE_UNREADABLE)
		return db_fail_errno("Reading the backup", err);
	return kind == DB_FILE_OURS
		       ? err_set(err, ST_BAD_DATABASE,
				 "The database file is gone or empty.")
		       : ST_OK;
}

/* Whether the disk was why db_open failed with st, and all can be read. Where
 * nobody is enrolled, one that cannot enrol would be of no use. */
static bool open_unwritable(const struct db_options *opt, enum status st,
			    struct db **out)
{
	struct db_person any;
	size_t n = 0;

	if ((st != ST_DISK_FULL &&
	     (st != ST_IO_ERROR || !db_disk_is_readonly(opt->dir))) ||
	    db_open_to_read(opt, st, out, NULL) != ST_OK)
		return false;
	if (db_people_list(*out, "", &any, 1, &n, NULL) == ST_OK && n > 0)
		return true;
	db_close(*out);
	*out = NULL;
	return false;
}

enum status db_open_or_restore(const struct db_options *opt, struct db **out,
			       struct errinfo *err)
{
	struct errinfo damage, other;
	enum db_file_kind kind;
	char path[PATH_MAX];
	enum status st = db_join_path(opt->dir, "facegate.db", path, err);

	*out = NULL;
	if (st != ST_OK)
		return st;
	err_clear(&damage);
	err_clear(&other);
	st = find_loss(opt, path, &damage);
	if (st == ST_OK)
		st = db_open(opt, out, &damage);
	if (open_unwritable(opt, st, out)) {
		log_line(LOG_ERROR,
			 st == ST_DISK_FULL ? "disk_full" : "read_only",
			 "text=\"%s Who is enrolled is verified; nothing is "
			 "stored before a restart.\"",
			 damage.text);
		return ST_OK;
	}
	if (st != ST_BAD_DATABASE)
		goto done;
	/* Another program's file, or one of a newer version, is not damaged. */
	kind = db_file_kind(path);
	if (kind == DB_FILE_FOREIGN || kind == DB_FILE_UNREADABLE)
		goto done;
	if (restore(opt, damage.text, out, &other) == ST_OK)
		return ST_OK;
	if (db_open_to_read(opt, ST_VERIFY_ONLY, out, NULL) != ST_OK)
		goto done;
	log_line(LOG_ERROR, "verify_only",
		 "text=\"%s Nothing was restored: %s. Those whose rows can be "
		 "read are verified; nothing is stored.\"",
		 damage.text, other.text);
	return ST_OK;
done:
	if (st != ST_OK)
		(void)err_limit(err, st, damage.limit, damage.found, "%s",
				damage.text);
	return st;
}
