/* Secrets that lie in files of their own: a webhook's, a broker's password,
 * the private key of TLS. Nothing here allocates; everything is safe from any
 * thread. */
#ifndef FACEGATE_SECRET_H
#define FACEGATE_SECRET_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "status.h"

#define SECRET_MAX 256 /* bytes, NUL not counted */

/* Where a file of the configuration lies. A name without a slash is looked for
 * in $CREDENTIALS_DIRECTORY, where systemd puts what LoadCredential= names;
 * that folder is private, which is what true tells. A path too long is cut. */
bool secret_path(const char *file, char out[PATH_MAX]);

/* Opens such a file for reading; -1 with ST_BAD_CONFIG and one sentence that
 * names key and file when there is no such regular file or, unless it is a
 * credential, it has one of the `forbidden` mode bits. info may be NULL. */
int secret_open(const char *key, const char *file, mode_t forbidden,
		struct stat *info, struct errinfo *err);

/* Reads the first line of the file into out, without its end. It must be
 * readable by its owner alone (mode 0400 or 0600). ST_BAD_CONFIG, with one
 * sentence that names key and file, when there is no such file, others may
 * read it, or the line is empty, too long or not text. */
enum status secret_read(const char *key, const char *file,
			char out[SECRET_MAX + 1],
			struct errinfo *err) MUST_CHECK;

#endif
