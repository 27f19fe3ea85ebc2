/* See seal.h. Key files are replaced by a rename, so that a reader finds the
 * old one or the new one. */
#include "seal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "files.h"

#define FIRST_LINE "facegate key 1\n"
#define KEY_BYTES  crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define NONCE	   crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
/* The longest file: a version has at most 19 digits. */
#define FILE_BYTES                                                             \
	(sizeof FIRST_LINE + SEAL_KEYS_MAX * (19 + 1 + 2 * KEY_BYTES + 1))

static_assert(NONCE + crypto_aead_xchacha20poly1305_ietf_ABYTES ==
		      SEAL_OVERHEAD,
	      "the overhead of a sealed row");

struct seal {
	struct {
		int64_t version;
		uint8_t key[KEY_BYTES];
	} keys[SEAL_KEYS_MAX];
	size_t count;
	struct stat file; /* what the keys were read from */
	char text[FILE_BYTES + 1];
};

static enum status fail(struct errinfo *err, const char *what)
{
	enum status st = errno == ENOSPC || errno == EDQUOT ? ST_DISK_FULL
							    : ST_IO_ERROR;

	return err_set(err, st, "%s the key file: %s", what, strerror(errno));
}

static enum status new_seal(struct seal **out, struct errinfo *err)
{
	*out = NULL;
	if (sodium_init() < 0)
		return err_set(err, ST_INTERNAL, "libsodium does not start");
	/* Locked where the limit on locked memory allows it, and wiped when
	 * freed. The block ends at a guard page, so its size must be a multiple
	 * of what the struct is aligned to: sizeof is. */
	*out = sodium_malloc(sizeof **out);
	if (*out == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for the keys");
	sodium_memzero(*out, sizeof **out);
	return ST_OK;
}

void seal_free(struct seal *s)
{
	sodium_free(s);
}

/* One line "VERSION KEY". Returns what follows it, NULL when it is none. */
static const char *parse_key(struct seal *s, const char *line)
{
	const char *end = line, *hex;
	int64_t version = 0;
	size_t n;

	while (*end >= '0' && *end <= '9' && end - line < 18)
		version = version * 10 + (*end++ - '0');
	hex = end + 1;
	if (end == line || *line == '0' || *end != ' ' ||
	    s->count == SEAL_KEYS_MAX ||
	    (s->count > 0 && version <= s->keys[s->count - 1].version) ||
	    strnlen(hex, 2 * KEY_BYTES + 1) != 2 * KEY_BYTES + 1 ||
	    hex[2 * KEY_BYTES] != '\n' ||
	    sodium_hex2bin(s->keys[s->count].key, KEY_BYTES, hex, 2 * KEY_BYTES,
			   NULL, &n, NULL) != 0 ||
	    n != KEY_BYTES)
		return NULL;
	s->keys[s->count++].version = version;
	return hex + 2 * KEY_BYTES + 1;
}

static enum status parse(struct seal *s, struct errinfo *err)
{
	const char *at = s->text;

	if (strncmp(at, FIRST_LINE, strlen(FIRST_LINE)) == 0)
		at += strlen(FIRST_LINE);
	else
		at = NULL;
	while (at && *at)
		at = parse_key(s, at);
	sodium_memzero(s->text, sizeof s->text);
	if (!at || s->count == 0)
		return err_set(err, ST_BAD_KEY_FILE,
			       "The file is no key file of facegate.");
	return ST_OK;
}

static enum status read_file(struct seal *s, int fd, struct errinfo *err)
{
	size_t n = 0;
	ssize_t got;

	if (fstat(fd, &s->file) != 0)
		return fail(err, "Reading");
	/* A credential that systemd hands to a user of its own shows the mask
	 * of its access list as the group's bits: the group may read. */
	if (!S_ISREG(s->file.st_mode) || (s->file.st_mode & 027))
		return err_set(err, ST_BAD_KEY_FILE,
			       "The key file is open to others: its mode must "
			       "be 0400.");
	while (n < FILE_BYTES &&
	       (got = read(fd, s->text + n, FILE_BYTES - n)) != 0) {
		if (got < 0)
			return fail(err, "Reading");
		n += (size_t)got;
	}
	return parse(s, err);
}

static void print_key(struct seal *s, size_t i, char *text)
{
	size_t n = strlen(text);

	(void)snprintf(text + n, FILE_BYTES - n, "%" PRId64 " ",
		       s->keys[i].version);
	n = strlen(text);
	(void)sodium_bin2hex(text + n, FILE_BYTES - n, s->keys[i].key,
			     KEY_BYTES);
	n = strlen(text);
	(void)snprintf(text + n, FILE_BYTES - n, "\n");
}

static enum status write_all(int fd, const char *text, struct errinfo *err)
{
	size_t n = strlen(text), done = 0;

	while (done < n) {
		ssize_t got = write(fd, text + done, n - done);

		if (got < 0)
			return fail(err, "Writing");
		done += (size_t)got;
	}
	return fsync(fd) == 0 ? ST_OK : fail(err, "Writing");
}

/* Opens the file that is to replace the key file. Whoever has its lock is the
 * one who changes the keys: a second would lose the first one's new key. A
 * process that dies leaves a file that the next takes over. */
static enum status open_next(const char *path, char next[PATH_MAX], int *fd,
			     struct errinfo *err)
{
	int n = snprintf(next, PATH_MAX, "%s.new", path);
	struct stat ours, named;

	*fd = -1;
	if (n < 0 || n >= PATH_MAX)
		return err_set(err, ST_BAD_KEY_FILE,
			       "The path of the key file is too long.");
	*fd = open(next, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return fail(err, "Making");
	/* Another may have renamed it between opening and locking. */
	if (flock(*fd, LOCK_EX | LOCK_NB) != 0 || fstat(*fd, &ours) != 0 ||
	    stat(next, &named) != 0 || ours.st_ino != named.st_ino)
		return err_set(err, ST_DATABASE_BUSY,
			       "Another process changes the keys.");
	return ST_OK;
}

/* Writes keys from first on into the file opened by open_next, and puts it in
 * the place of the key file. replaced, unless NULL, is that one's owner. */
static enum status save(struct seal *s, size_t first, const char *path,
			const char *next, int fd, const struct stat *replaced,
			struct errinfo *err)
{
	enum status st;

	(void)snprintf(s->text, sizeof s->text, "%s", FIRST_LINE);
	for (size_t i = first; i < s->count; i++)
		print_key(s, i, s->text);
	st = ftruncate(fd, 0) == 0 ? write_all(fd, s->text, err)
				   : fail(err, "Writing");
	sodium_memzero(s->text, sizeof s->text);
	/* Root may do it for the user whom the daemon runs as. */
	if (st == ST_OK && replaced && geteuid() == 0 &&
	    fchown(fd, replaced->st_uid, replaced->st_gid) != 0)
		st = fail(err, "Making");
	if (st == ST_OK &&
	    fchmod(fd, replaced ? replaced->st_mode & 0440 : 0400) != 0)
		st = fail(err, "Making");
	if (st == ST_OK && rename(next, path) != 0)
		st = fail(err, "Replacing");
	/* A rename lasts once its folder is synced. */
	return st == ST_OK ? db_sync_folder(path, err) : st;
}

static void add_random_key(struct seal *s)
{
	s->keys[s->count].version = s->count ? s->keys[s->count - 1].version + 1
					     : 1;
	randombytes_buf(s->keys[s->count].key, KEY_BYTES);
	s->count++;
}

static enum status make_first(struct seal *s, const char *path,
			      struct errinfo *err)
{
	char next[PATH_MAX];
	int fd;
	enum status st = open_next(path, next, &fd, err);

	if (st == ST_OK) {
		add_random_key(s);
		st = save(s, 0, path, next, fd, NULL, err);
	}
	if (st == ST_OK && stat(path, &s->file) != 0)
		st = fail(err, "Reading");
	if (fd >= 0)
		close(fd);
	return st;
}

enum status seal_load(const char *path, bool make, struct seal **out,
		      struct errinfo *err)
{
	enum status st = new_seal(out, err);
	int fd;

	if (st != ST_OK)
		return st;
	/* Without a wait, should it be a pipe. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0) {
		st = read_file(*out, fd, err);
		close(fd);
	} else if (errno == ENOENT && make) {
		st = make_first(*out, path, err);
	} else if (db_errno_may_pass()) {
		st = fail(err, "Opening");
	} else {
		st = err_set(err, ST_BAD_KEY_FILE, "Opening the key file: %s",
			     strerror(errno));
	}
	if (st != ST_OK) {
		seal_free(*out);
		*out = NULL;
	}
	return st;
}

bool seal_is_stale(const struct seal *s, const char *path)
{
	struct stat now;

	return stat(path, &now) == 0 &&
	       (now.st_ino != s->file.st_ino || now.st_dev != s->file.st_dev ||
		now.st_size != s->file.st_size ||
		now.st_mtim.tv_sec != s->file.st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != s->file.st_mtim.tv_nsec);
}

/* With one key adds a second, with several keeps the newest. */
static enum status change(const char *path, bool add, int64_t *newest,
			  struct errinfo *err)
{
	struct seal *s = NULL;
	char next[PATH_MAX];
	int fd;
	enum status st = open_next(path, next, &fd, err);

	if (st == ST_OK)
		st = seal_load(path, false, &s, err);
	if (st == ST_OK && add == (s->count == 1)) {
		if (add)
			add_random_key(s);
		st = save(s, add ? 0 : s->count - 1, path, next, fd, &s->file,
			  err);
	} else if (st == ST_OK) {
		(void)unlink(next);
	}
	if (st == ST_OK)
		*newest = seal_newest(s);
	seal_free(s);
	if (fd >= 0)
		close(fd);
	return st;
}

enum status seal_add_key(const char *path, int64_t *newest, struct errinfo *err)
{
	return change(path, true, newest, err);
}

enum status seal_keep_newest(const char *path, struct errinfo *err)
{
	int64_t newest;

	return change(path, false, &newest, err);
}

int64_t seal_newest(const struct seal *s)
{
	return s->keys[s->count - 1].version;
}

static const uint8_t *key_of(const struct seal *s, int64_t version)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->keys[i].version == version)
			return s->keys[i].key;
	return NULL;
}

bool seal_has(const struct seal *s, int64_t version)
{
	return key_of(s, version) != NULL;
}

void seal_place_number(struct seal_place *p, int64_t v)
{
	assert(p->n + 8 <= sizeof p->bytes);
	for (int i = 0; i < 8; i++)
		p->bytes[p->n++] = (uint8_t)((uint64_t)v >> (8 * i));
}

/* With its length, so that two texts cannot trade bytes. */
void seal_place_text(struct seal_place *p, const char *text)
{
	size_t n = strlen(text);

	seal_place_number(p, (int64_t)n);
	assert(p->n + n <= sizeof p->bytes);
	memcpy(p->bytes + p->n, text, n);
	p->n += n;
}

void seal_place_begin(struct seal_place *p, const char *table, int64_t version)
{
	p->n = 0;
	seal_place_text(p, table);
	seal_place_number(p, version);
}

void seal_encrypt(const struct seal *s, const struct seal_place *p,
		  const void *plain, size_t n, uint8_t *out)
{
	randombytes_buf(out, NONCE);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
		out + NONCE, NULL, plain, n, p->bytes, p->n, NULL, out,
		s->keys[s->count - 1].key);
}

bool seal_decrypt(const struct seal *s, int64_t version,
		  const struct seal_place *p, const void *sealed, size_t n,
		  void *plain)
{
	const uint8_t *key = key_of(s, version), *in = sealed;

	assert(n >= SEAL_OVERHEAD);
	if (key != NULL && crypto_aead_xchacha20poly1305_ietf_decrypt(
				   plain, NULL, NULL, in + NONCE, n - NONCE,
				   p->bytes, p->n, in, key) == 0)
		return true;
	memset(plain, 0, n - SEAL_OVERHEAD);
	return false;
}
