/* Secrets that lie in files of their own: a webhook's, a broker's password.
 * Nothing here allocates; everything is safe from any thread. */
#ifndef FACEGATE_SECRET_H
#define FACEGATE_SECRET_H

#include "status.h"

#define SECRET_MAX 256 /* bytes, NUL not counted */

/* Reads the first line of the file into out, without its end. A name without
 * a slash is looked for in $CREDENTIALS_DIRECTORY, where systemd puts what
 * LoadCredential= names; that folder is private. Any other file must be
 * readable by its owner alone (mode 0400 or 0600). ST_BAD_CONFIG, with
 * one sentence that names key and file, when there is no such file, others may
 * read it, or the line is empty, too long or not text. */
enum status secret_read(const char *key, const char *file,
			char out[SECRET_MAX + 1],
			struct errinfo *err) MUST_CHECK;

#endif
