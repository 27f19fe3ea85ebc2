/* The file in which people travel: lines of text, sealed with a passphrase.
 *
 * A first line "facegate people 1", a salt of 16 bytes, then libsodium's
 * secretstream of XChaCha20-Poly1305: its header of 24 bytes and the text in
 * chunks of 16384 bytes, each with 17 more for the tag. The last chunk alone is
 * shorter and is marked as the last, so that a file that is cut, changed,
 * lengthened or put together from others is told from a whole one. The key is
 * Argon2id's of passphrase and salt, with 2 passes over 19 MiB.
 *
 * Memory does not depend on the length. One thread at a time.
 */
#ifndef FACEGATE_EXPORTFILE_H
#define FACEGATE_EXPORTFILE_H

#include <stddef.h>

#include "status.h"

#define EXPORTFILE_LINE_MAX   16384 /* bytes, without the end of the line */
#define EXPORTFILE_SECRET_MIN 12    /* bytes of a passphrase */

struct exportfile;

/* Makes a file of mode 0600. Without a passphrase its lines are plain.
 * ST_BAD_CONFIG when there is a file already; ST_IO_ERROR, ST_NO_MEMORY. */
enum status exportfile_make(const char *path, const char *passphrase,
			    struct exportfile **out,
			    struct errinfo *err) MUST_CHECK;
/* Adds a line of at most EXPORTFILE_LINE_MAX bytes, none of them a newline. */
enum status exportfile_put(struct exportfile *f, const char *line, size_t n,
			   struct errinfo *err) MUST_CHECK;
/* Ends what was made; with ST_OK it is on the disk. Otherwise, or without this
 * call, exportfile_close removes it. */
enum status exportfile_finish(struct exportfile *f,
			      struct errinfo *err) MUST_CHECK;

/* Opens a sealed file to read it. ST_BAD_EXPORT when it is none. */
enum status exportfile_open(const char *path, const char *passphrase,
			    struct exportfile **out,
			    struct errinfo *err) MUST_CHECK;
/* The next line, with a NUL behind it, until the next call. ST_END after the
 * last line of a file that is whole; ST_BAD_EXPORT for another passphrase and
 * for every change, as soon as it is met: nothing counts before ST_END. */
enum status exportfile_get(struct exportfile *f, const char **line, size_t *n,
			   struct errinfo *err) MUST_CHECK;

void exportfile_close(struct exportfile *f); /* NULL is fine */

#endif
