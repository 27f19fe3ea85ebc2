#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status read_line(int fd, const char *key, const char *file,
			     char out[SECRET_MAX + 1], struct errinfo *err)
{
	ssize_t n = read(fd, out, SECRET_MAX + 1);
	size_t length;

	if (n < 0)
		return err_set(err, ST_BAD_CONFIG, "%s: %.100s: %s", key, file,
			       strerror(errno));
	for (length = 0; length < (size_t)n; length++)
		if ((unsigned char)out[length] < ' ')
			break;
	if (length == 0 || length > SECRET_MAX ||
	    (length < (size_t)n && strchr("\r\n", out[length]) == NULL) ||
	    (length < (size_t)n && out[length] == '\0'))
		return err_set(err, ST_BAD_CONFIG,
			       "%s: the first line of %.80s must be 1 to %d "
			       "bytes of text",
			       key, file, SECRET_MAX);
	out[length] = '\0';
	return ST_OK;
}

bool secret_path(const char *file, char out[PATH_MAX])
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	bool credential = strchr(file, '/') == NULL && folder != NULL;

	(void)snprintf(out, PATH_MAX, "%s%s%s", credential ? folder : "",
		       credential ? "/" : "", file);
	return credential;
}

int secret_open(const char *key, const char *file, mode_t forbidden,
		struct stat *info, struct errinfo *err)
{
	char path[PATH_MAX];
	bool credential = secret_path(file, path);
	struct stat own;
	int fd;

	info = info ? info : &own;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, info) != 0)
		err_set(err, ST_BAD_CONFIG, "%s: %.100s: %s", key, file,
			strerror(errno));
	else if (!S_ISREG(info->st_mode))
		err_set(err, ST_BAD_CONFIG, "%s: %.100s is not a regular file",
			key, file);
	else if (!credential && (info->st_mode & forbidden) != 0)
		err_set(err, ST_BAD_CONFIG,
			"%s: others may read %.80s; chmod 0400 it", key, file);
	else
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

enum status secret_read(const char *key, const char *file,
			char out[SECRET_MAX + 1], struct errinfo *err)
{
	int fd = secret_open(key, file, 077, NULL, err);
	enum status st;

	if (fd < 0)
		return ST_BAD_CONFIG;
	st = read_line(fd, key, file, out, err);
	close(fd);
	return st;
}
