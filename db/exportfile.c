#include "exportfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

#define FIRST_LINE  "facegate people 1\n"
#define FIRST_BYTES (sizeof(FIRST_LINE) - 1)
#define CHUNK	    16384
#define SEALED	    (CHUNK + crypto_secretstream_xchacha20poly1305_ABYTES)
#define SALT	    crypto_pwhash_SALTBYTES
#define HEADER	    crypto_secretstream_xchacha20poly1305_HEADERBYTES
#define KDF_PASSES  2
#define KDF_BYTES   (19 * 1024 * 1024)

struct exportfile {
	int fd;
	bool plain, finished; /* finished: the last chunk was made or read */
	char made[PATH_MAX];  /* "": it is read, or ended well */
	crypto_secretstream_xchacha20poly1305_state stream;
	uint8_t key[crypto_secretstream_xchacha20poly1305_KEYBYTES];
	uint8_t sealed[SEALED];
	/* Making: what is not yet sealed. Reading: text from `at` to `n`, a
	 * line that has begun and the chunk behind it. */
	size_t at, n;
	char text[EXPORTFILE_LINE_MAX + CHUNK + 2];
};

static enum status new_file(struct exportfile **out, struct errinfo *err)
{
	*out = NULL;
	if (sodium_init() < 0)
		return err_set(err, ST_INTERNAL, "libsodium does not start.");
	/* Faces and names pass through it: wiped when freed. */
	*out = sodium_malloc(sizeof(**out));
	if (*out == NULL)
		return err_set(err, ST_NO_MEMORY, "No memory for the file.");
	sodium_memzero(*out, sizeof(**out));
	(*out)->fd = -1;
	return ST_OK;
}

static enum status derive(struct exportfile *f, const char *passphrase,
			  const uint8_t salt[SALT], struct errinfo *err)
{
	if (crypto_pwhash(f->key, sizeof(f->key), passphrase,
			  strlen(passphrase), salt, KDF_PASSES, KDF_BYTES,
			  crypto_pwhash_ALG_ARGON2ID13) == 0)
		return ST_OK;
	return err_set(err, ST_NO_MEMORY, "No memory for the passphrase.");
}

static enum status write_all(struct exportfile *f, const void *bytes, size_t n,
			     struct errinfo *err)
{
	const uint8_t *at = bytes;

	while (n > 0) {
		ssize_t done = write(f->fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return db_fail_errno("Writing the file", err);
		at += done;
		n -= (size_t)done;
	}
	return ST_OK;
}

static enum status write_head(struct exportfile *f, const char *passphrase,
			      struct errinfo *err)
{
	uint8_t salt[SALT], header[HEADER];
	enum status st;

	randombytes_buf(salt, sizeof(salt));
	st = derive(f, passphrase, salt, err);
	if (st != ST_OK)
		return st;
	(void)crypto_secretstream_xchacha20poly1305_init_push(&f->stream,
							      header, f->key);
	st = write_all(f, FIRST_LINE, FIRST_BYTES, err);
	if (st == ST_OK)
		st = write_all(f, salt, sizeof(salt), err);
	return st == ST_OK ? write_all(f, header, sizeof(header), err) : st;
}

enum status exportfile_make(const char *path, const char *passphrase,
			    struct exportfile **out, struct errinfo *err)
{
	enum status st = new_file(out, err);
	struct exportfile *f = *out;

	if (st != ST_OK)
		return st;
	f->plain = passphrase == NULL;
	f->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (f->fd < 0 && errno == EEXIST)
		st = err_set(err, ST_BAD_CONFIG,
			     "There is such a file already.");
	else if (f->fd < 0)
		st = db_fail_errno("Making the file", err);
	else
		(void)snprintf(f->made, sizeof(f->made), "%s", path);
	if (st == ST_OK && passphrase != NULL)
		st = write_head(f, passphrase, err);
	if (st == ST_OK)
		return ST_OK;
	exportfile_close(f);
	*out = NULL;
	return st;
}

/* Writes the first n bytes of the text that waits. */
static enum status write_chunk(struct exportfile *f, size_t n, uint8_t tag,
			       struct errinfo *err)
{
	unsigned long long sealed = 0;
	enum status st;

	if (f->plain) {
		st = write_all(f, f->text, n, err);
	} else {
		(void)crypto_secretstream_xchacha20poly1305_push(
			&f->stream, f->sealed, &sealed, (uint8_t *)f->text, n,
			NULL, 0, tag);
		st = write_all(f, f->sealed, (size_t)sealed, err);
	}
	f->n -= n;
	memmove(f->text, f->text + n, f->n);
	return st;
}

enum status exportfile_put(struct exportfile *f, const char *line, size_t n,
			   struct errinfo *err)
{
	enum status st = ST_OK;

	if (n > EXPORTFILE_LINE_MAX || memchr(line, '\n', n) != NULL)
		return err_set(err, ST_INTERNAL, "No line of an export.");
	memcpy(f->text + f->n, line, n);
	f->n += n;
	f->text[f->n++] = '\n';
	while (st == ST_OK && f->n >= CHUNK)
		st = write_chunk(f, CHUNK, 0, err);
	return st;
}

enum status exportfile_finish(struct exportfile *f, struct errinfo *err)
{
	enum status st = write_chunk(
		f, f->n, crypto_secretstream_xchacha20poly1305_TAG_FINAL, err);

	if (st == ST_OK && fsync(f->fd) != 0)
		st = db_fail_errno("Writing the file", err);
	if (st == ST_OK)
		st = db_sync_folder(f->made, err);
	if (st == ST_OK)
		f->made[0] = '\0';
	return st;
}

/* Reads n bytes, or fewer at the end of the file. */
static enum status read_up_to(struct exportfile *f, uint8_t *out, size_t n,
			      size_t *got, struct errinfo *err)
{
	*got = 0;
	while (*got < n) {
		ssize_t done = read(f->fd, out + *got, n - *got);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return db_fail_errno("Reading the file", err);
		if (done == 0)
			break;
		*got += (size_t)done;
	}
	return ST_OK;
}

static enum status read_head(struct exportfile *f, const char *passphrase,
			     struct errinfo *err)
{
	uint8_t head[FIRST_BYTES + SALT + HEADER];
	size_t got;
	enum status st = read_up_to(f, head, sizeof(head), &got, err);

	if (st == ST_OK &&
	    (got < sizeof(head) || memcmp(head, FIRST_LINE, FIRST_BYTES) != 0))
		st = err_set(err, ST_BAD_EXPORT,
			     "The file is no export of this version of "
			     "facegate.");
	if (st == ST_OK)
		st = derive(f, passphrase, head + FIRST_BYTES, err);
	if (st == ST_OK &&
	    crypto_secretstream_xchacha20poly1305_init_pull(
		    &f->stream, head + FIRST_BYTES + SALT, f->key) != 0)
		st = err_set(err, ST_BAD_EXPORT, "The file is damaged.");
	return st;
}

enum status exportfile_open(const char *path, const char *passphrase,
			    struct exportfile **out, struct errinfo *err)
{
	enum status st = new_file(out, err);
	struct exportfile *f = *out;

	if (st != ST_OK)
		return st;
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	st = f->fd < 0 ? db_fail_errno("Opening the file", err)
		       : read_head(f, passphrase, err);
	if (st == ST_OK)
		return ST_OK;
	exportfile_close(f);
	*out = NULL;
	return st;
}

/* Decrypts the next chunk behind the text that is left. */
static enum status read_chunk(struct exportfile *f, struct errinfo *err)
{
	unsigned long long n = 0;
	uint8_t tag = 0;
	size_t got;
	enum status st = read_up_to(f, f->sealed, SEALED, &got, err);

	if (st != ST_OK)
		return st;
	if (got == 0)
		return err_set(err, ST_BAD_EXPORT,
			       "The file's end is missing.");
	f->n -= f->at;
	memmove(f->text, f->text + f->at, f->n);
	f->at = 0;
	if (got < crypto_secretstream_xchacha20poly1305_ABYTES ||
	    crypto_secretstream_xchacha20poly1305_pull(
		    &f->stream, (uint8_t *)f->text + f->n, &n, &tag, f->sealed,
		    got, NULL, 0) != 0)
		return err_set(err, ST_BAD_EXPORT,
			       "The passphrase is another, or the file was "
			       "changed or cut.");
	f->finished = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
	/* A short chunk is the last one, and nothing is behind it. */
	if (f->finished != (got < SEALED))
		return err_set(err, ST_BAD_EXPORT, "The file is damaged.");
	f->n += (size_t)n;
	return ST_OK;
}

enum status exportfile_get(struct exportfile *f, const char **line, size_t *n,
			   struct errinfo *err)
{
	enum status st = ST_OK;
	char *end;

	for (;;) {
		end = memchr(f->text + f->at, '\n', f->n - f->at);
		if (end != NULL || f->finished)
			break;
		if (f->n - f->at > EXPORTFILE_LINE_MAX)
			return err_set(err, ST_BAD_EXPORT,
				       "A line of the file is too long.");
		st = read_chunk(f, err);
		if (st != ST_OK)
			return st;
	}
	if (end == NULL && f->at == f->n)
		return ST_END;
	if (end == NULL)
		return err_set(err, ST_BAD_EXPORT, "The last line is cut.");
	*end = '\0';
	*line = f->text + f->at;
	*n = (size_t)(end - *line);
	f->at += *n + 1;
	return ST_OK;
}

void exportfile_close(struct exportfile *f)
{
	if (f == NULL)
		return;
	if (f->fd >= 0)
		close(f->fd);
	if (f->made[0] != '\0')
		(void)unlink(f->made);
	sodium_free(f);
}
