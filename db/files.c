/* See files.h. Stateless. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "schema.h"

enum status db_fail_errno(const char *what, struct errinfo *err)
{
	enum status st = ST_IO_ERROR;

	if (errno == ENOSPC || errno == EDQUOT)
		st = ST_DISK_FULL;
	else if (errno == ENOMEM)
		st = ST_NO_MEMORY;
	return err_set(err, st, "%s failed: %s.", what, strerror(errno));
}

bool db_errno_may_pass(void)
{
	return errno == EIO || errno == EMFILE || errno == ENFILE ||
	       errno == ENOMEM;
}

enum status db_join_path(const char *dir, const char *file, char out[PATH_MAX],
			 struct errinfo *err)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", dir, file);

	if (n < 0 || n >= PATH_MAX)
		return err_set(err, ST_IO_ERROR,
			       "The path of the data folder is too long.");
	return ST_OK;
}

enum status db_make_private(const char *path, struct errinfo *err)
{
	struct stat info;
	enum status st = ST_OK;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return db_fail_errno("Opening the database file", err);
	if (fstat(fd, &info) != 0)
		st = db_fail_errno("Reading the database file's mode", err);
	else if (!S_ISREG(info.st_mode))
		st = err_set(err, ST_BAD_DATABASE,
			     "The database is not a regular file.");
	else if ((info.st_mode & 0777) != 0600 && fchmod(fd, 0600) != 0)
		st = db_fail_errno("Making the database file private", err);
	close(fd);
	return st;
}

enum status db_give_to_owner(int fd, const char *dir, struct errinfo *err)
{
	struct stat folder;

	if (geteuid() == 0 && (stat(dir, &folder) != 0 ||
			       fchown(fd, folder.st_uid, folder.st_gid) != 0))
		return db_fail_errno("Giving a file to the folder's owner",
				     err);
	return ST_OK;
}

static enum status copy_bytes(int in, int out, struct errinfo *err)
{
	char buf[16384];
	ssize_t got;

	while ((got = read(in, buf, sizeof buf)) > 0)
		for (ssize_t done = 0, n; done < got; done += n) {
			n = write(out, buf + done, (size_t)(got - done));
			if (n < 0)
				return db_fail_errno("Writing the copy", err);
		}
	if (got < 0)
		return db_fail_errno("Reading the file", err);
	return fsync(out) == 0 ? ST_OK : db_fail_errno("Writing the copy", err);
}

enum status db_copy_file(const char *from, const char *to, struct errinfo *err)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	enum status st = ST_OK;

	if (in < 0)
		return db_fail_errno("Opening the file", err);
	(void)unlink(to);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		st = db_fail_errno("Making the copy", err);
	else
		st = copy_bytes(in, out, err);
	close(in);
	if (out >= 0)
		close(out);
	return st;
}

enum status db_sync_folder(const char *path, struct errinfo *err)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX] = ".";
	enum status st = ST_OK;
	int fd;

	if (slash)
		(void)snprintf(folder, sizeof folder, "%.*s",
			       slash == path ? 1 : (int)(slash - path), path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		st = db_fail_errno("Writing the folder", err);
	if (fd >= 0)
		close(fd);
	return st;
}

enum status db_rename_synced(const char *from, const char *to,
			     struct errinfo *err)
{
	if (rename(from, to) != 0)
		return db_fail_errno("Renaming the file", err);
	return db_sync_folder(to, err);
}

void db_remove(const char *path)
{
	static const char *const tails[] = { "", "-wal", "-shm", "-journal" };
	char name[PATH_MAX];

	for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
		int n = snprintf(name, sizeof name, "%s%s", path, tails[i]);

		if (n > 0 && n < PATH_MAX)
			(void)unlink(name);
	}
}

void db_remove_new(const char *path)
{
	char fresh[PATH_MAX];
	int n = snprintf(fresh, sizeof fresh, "%s.new", path);

	if (n > 0 && n < PATH_MAX)
		db_remove(fresh);
}

bool db_disk_is_readonly(const char *path)
{
	struct statvfs info;

	return statvfs(path, &info) == 0 && (info.f_flag & ST_RDONLY);
}

bool db_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

static int64_t read_be32(const unsigned char *p)
{
	return (int64_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* The places are those of SQLite's file format: user_version at 60,
 * application_id at 68. */
enum db_file_kind db_file_kind(const char *path)
{
	unsigned char head[100];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t got;

	if (fd < 0 && errno == ENOENT)
		return DB_FILE_NONE;
	got = fd < 0 ? -1 : read(fd, head, sizeof head);
	if (fd >= 0)
		close(fd);
	if (got == 0)
		return DB_FILE_NONE;
	if (got < 0 && db_errno_may_pass())
		return DB_FILE_UNREADABLE;
	if (got != (ssize_t)sizeof head ||
	    memcmp(head, "SQLite format 3", 16) != 0)
		return DB_FILE_UNKNOWN;
	if (read_be32(head + 68) != DB_APPLICATION_ID ||
	    !db_schema_known(read_be32(head + 60)))
		return DB_FILE_FOREIGN;
	return DB_FILE_OURS;
}
