#include "keystore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LINE "facegate keys 1\n"
#define LINE_BYTES 256
/* Of a buffer in place of the library's own, which would be freed as it is. */
#define IO_BYTES 1024

static const struct {
	const char *word;
	enum role role;
} roles[] = { { "door", ROLE_DOOR },
	      { "kiosk", ROLE_KIOSK },
	      { "auditor", ROLE_AUDITOR },
	      { "admin", ROLE_ADMIN } };

/* What stands before the hash in the file. */
static const struct {
	const char *word, *mark;
} kinds[] = { [KEY_BEARER] = { "bearer", "" },
	      [KEY_CERTIFICATE] = { "certificate", "x509:" },
	      [KEY_SIGNING] = { "signing", "hmac:" } };
#define KIND_COUNT   (sizeof(kinds) / sizeof(kinds[0]))
#define HASH_CHARS   (2 * KEY_HASH_BYTES)
#define MARKED_CHARS (5 + HASH_CHARS)

const char *keystore_kind_word(enum key_kind kind)
{
	return kinds[kind].word;
}

const char *keystore_role_word(enum role role)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (roles[i].role == role)
			return roles[i].word;
	return NULL;
}

bool keystore_role_named(const char *word, enum role *out)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].word, word) == 0) {
			*out = roles[i].role;
			return true;
		}
	return false;
}

void keystore_to_hex(const uint8_t *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool keystore_from_hex(const char *text, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int high = digit(text[2 * i]);
		int low = high < 0 ? -1 : digit(text[2 * i + 1]);

		if (low < 0)
			return false;
		out[i] = (uint8_t)(high * 16 + low);
	}
	return text[2 * n] == '\0';
}

static void hash_of(const char *text, uint8_t out[SHA256_DIGEST_SIZE])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, strlen(text), (const uint8_t *)text);
	sha256_digest(&ctx, SHA256_DIGEST_SIZE, out);
}

static bool label_ok(const char *label)
{
	for (const char *c = label; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	return strlen(label) <= KEY_LABEL_MAX;
}

static enum status fail(const char *what, struct errinfo *err)
{
	return err_set(err,
		       errno == ENOSPC || errno == EDQUOT ? ST_DISK_FULL
							  : ST_IO_ERROR,
		       "%s the file of keys failed: %s", what, strerror(errno));
}

static enum status join(const char *dir, const char *name, char out[PATH_MAX],
			struct errinfo *err)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);

	return n > 0 && n < PATH_MAX
		       ? ST_OK
		       : err_set(err, ST_IO_ERROR,
				 "the path of the data folder is too long");
}

static bool parse_hash(const char *text, struct keystore_key *k)
{
	for (size_t i = KIND_COUNT; i-- > 0;) {
		size_t n = strlen(kinds[i].mark);

		if (strncmp(text, kinds[i].mark, n) != 0)
			continue;
		k->kind = (enum key_kind)i;
		return keystore_from_hex(text + n, k->hash, sizeof(k->hash));
	}
	return false;
}

/* "id role created_ms hash label", the label to the end of the line. */
static bool parse_line(char *line, struct keystore_key *k)
{
	char role[12], hash[MARKED_CHARS + 1];
	size_t n = strlen(line);
	int at = 0;
	bool ok;

	memset(k, 0, sizeof(*k));
	if (n == 0 || line[n - 1] != '\n')
		return false; /* cut off */
	line[n - 1] = '\0';
	ok = sscanf(line, "%8s %11s %" SCNd64 " %69s %n", k->id, role,
		    &k->created_ms, hash, &at) == 4 &&
	     at != 0 && strspn(k->id, "0123456789abcdef") == KEY_ID_CHARS &&
	     keystore_role_named(role, &k->role) && parse_hash(hash, k) &&
	     label_ok(line + at);
	explicit_bzero(hash, sizeof(hash));
	if (!ok)
		return false;
	(void)snprintf(k->label, sizeof(k->label), "%s", line + at);
	return true;
}

void keystore_free(struct keystore_key *keys, size_t max)
{
	if (keys != NULL)
		explicit_bzero(keys, max * sizeof(*keys));
	free(keys);
}

enum status keystore_load(const char *dir, struct keystore_key *keys,
			  size_t cap, size_t *count, struct errinfo *err)
{
	char path[PATH_MAX], line[LINE_BYTES], buffer[IO_BYTES];
	enum status st = join(dir, KEYS_FILE, path, err);
	FILE *f;
	int fd;

	*count = 0;
	if (st != ST_OK)
		return st;
	/* Without a wait, should it be a pipe. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (f == NULL) {
		st = errno == ENOENT ? ST_OK : fail("Opening", err);
		if (fd >= 0)
			close(fd);
		return st;
	}
	(void)setvbuf(f, buffer, _IOFBF, sizeof(buffer));
	if (fgets(line, sizeof(line), f) == NULL ||
	    strcmp(line, FIRST_LINE) != 0)
		st = err_set(err, ST_BAD_CONFIG,
			     "the file of keys is damaged in line 1");
	while (st == ST_OK && fgets(line, sizeof(line), f) != NULL) {
		if (*count == cap)
			st = err_limit(
				err, ST_BAD_CONFIG, (int64_t)cap, ERR_NO_NUMBER,
				"there are more keys than keys_max, %zu", cap);
		else if (!parse_line(line, &keys[*count]))
			st = err_set(err, ST_BAD_CONFIG,
				     "the file of keys is damaged in line %zu",
				     *count + 2);
		else
			++*count;
	}
	if (st == ST_OK && ferror(f))
		st = fail("Reading", err);
	fclose(f);
	explicit_bzero(buffer, sizeof(buffer));
	explicit_bzero(line, sizeof(line));
	return st;
}

/* A tool that root runs must not take the file from the daemon's user. */
static int own_like_folder(int fd, const char *dir)
{
	struct stat info;

	if (geteuid() != 0)
		return 0;
	if (stat(dir, &info) != 0)
		return -1;
	return fchown(fd, info.st_uid, info.st_gid);
}

static void sync_folder(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
}

static enum status save(const char *dir, const struct keystore_key *keys,
			size_t count, struct errinfo *err)
{
	char path[PATH_MAX], fresh[PATH_MAX], hash[HASH_CHARS + 1];
	char buffer[IO_BYTES];
	enum status st = join(dir, KEYS_FILE, path, err);
	FILE *f = NULL;
	int fd;

	if (st == ST_OK)
		st = join(dir, KEYS_FILE ".new", fresh, err);
	if (st != ST_OK)
		return st;
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (f == NULL) {
		if (fd >= 0)
			close(fd);
		return fail("Writing", err);
	}
	(void)setvbuf(f, buffer, _IOFBF, sizeof(buffer));
	fputs(FIRST_LINE, f);
	for (size_t i = 0; i < count; i++) {
		keystore_to_hex(keys[i].hash, sizeof(keys[i].hash), hash);
		fprintf(f, "%s %s %" PRId64 " %s%s %s\n", keys[i].id,
			keystore_role_word(keys[i].role), keys[i].created_ms,
			kinds[keys[i].kind].mark, hash, keys[i].label);
	}
	if (fflush(f) != 0 || ferror(f) || own_like_folder(fd, dir) != 0 ||
	    fsync(fd) != 0 || rename(fresh, path) != 0)
		st = fail("Writing", err);
	fclose(f);
	explicit_bzero(buffer, sizeof(buffer));
	explicit_bzero(hash, sizeof(hash));
	if (st != ST_OK)
		(void)unlink(fresh);
	else
		sync_folder(dir);
	return st;
}

/* Locks the keys against other writers and reads them; *fd and *keys are the
 * caller's to close and free in every case. */
static enum status begin_change(const char *dir, size_t max, int *fd,
				struct keystore_key **keys, size_t *count,
				struct errinfo *err)
{
	char path[PATH_MAX];
	enum status st = join(dir, KEYS_FILE ".lock", path, err);

	*fd = -1;
	/* Room for one more than there may be. */
	*keys = calloc(max + 1, sizeof(**keys));
	if (*keys == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for the keys");
	if (st != ST_OK)
		return st;
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0 || own_like_folder(*fd, dir) != 0 ||
	    flock(*fd, LOCK_EX) != 0)
		return fail("Locking", err);
	return keystore_load(dir, *keys, max, count, err);
}

static void end_change(int fd, struct keystore_key *keys, size_t max)
{
	if (fd >= 0)
		close(fd);
	keystore_free(keys, max + 1);
}

enum status keystore_random(uint8_t *out, size_t n, struct errinfo *err)
{
	if (getrandom(out, n, 0) == (ssize_t)n)
		return ST_OK;
	return err_set(err, ST_INTERNAL, "no random numbers: %s",
		       strerror(errno));
}

static enum status make(struct keystore_key *k, char text[KEY_TEXT_CHARS + 1],
			struct errinfo *err)
{
	uint8_t random[KEY_ID_CHARS / 2 + 32];
	char secret[2 * 32 + 1];
	enum status st = keystore_random(random, sizeof(random), err);

	if (st != ST_OK)
		return st;
	keystore_to_hex(random, KEY_ID_CHARS / 2, k->id);
	keystore_to_hex(random + KEY_ID_CHARS / 2, 32, secret);
	(void)snprintf(text, KEY_TEXT_CHARS + 1, "fg_%s_%s", k->id, secret);
	hash_of(text, k->hash);
	explicit_bzero(random, sizeof(random));
	explicit_bzero(secret, sizeof(secret));
	return ST_OK;
}

/* Fills in what the kinds of keys differ in, but for the id. */
static enum status fill(struct keystore_key *k, const uint8_t *certificate,
			char text[KEY_TEXT_CHARS + 1], struct errinfo *err)
{
	enum status st = make(k, text, err);

	if (certificate != NULL) {
		k->kind = KEY_CERTIFICATE;
		memcpy(k->hash, certificate, sizeof(k->hash));
	}
	return st;
}

/* certificate is the hash of one, or NULL. */
static enum status add(const char *dir, size_t max,
		       const struct keystore_key *wanted,
		       const uint8_t *certificate,
		       char text[KEY_TEXT_CHARS + 1], struct errinfo *err)
{
	const struct keystore_key *there;
	struct keystore_key *keys = NULL, *k;
	size_t count = 0;
	int fd = -1;
	enum status st = begin_change(dir, max, &fd, &keys, &count, err);

	if (st == ST_OK && count == max)
		st = err_limit(
			err, ST_BAD_CONFIG, (int64_t)max, (int64_t)count + 1,
			"there are keys_max keys, %zu: revoke one first", max);
	if (st != ST_OK)
		goto done;
	there = certificate ? keystore_certificate(keys, count, certificate)
			    : NULL;
	if (there != NULL) {
		st = err_set(err, ST_BAD_REQUEST,
			     "this certificate is the key %s already",
			     there->id);
		goto done;
	}
	k = &keys[count];
	*k = *wanted;
	do /* an id that is taken: once in four thousand million times */
		st = fill(k, certificate, text, err);
	while (st == ST_OK && keystore_by_id(keys, count, k->id) != NULL);
	if (st == ST_OK)
		st = save(dir, keys, count + 1, err);
done:
	end_change(fd, keys, max);
	return st;
}

static enum status describe(struct keystore_key *k, enum role role,
			    const char *label, int64_t now_ms,
			    struct errinfo *err)
{
	*k = (struct keystore_key){ .role = role, .created_ms = now_ms };
	if (!label_ok(label))
		return err_set(err, ST_BAD_REQUEST,
			       "a label has at most %d bytes and no control "
			       "characters",
			       KEY_LABEL_MAX);
	(void)snprintf(k->label, sizeof(k->label), "%s", label);
	return ST_OK;
}

enum status keystore_add(const char *dir, size_t max, enum role role,
			 enum key_kind kind, const char *label, int64_t now_ms,
			 char text[KEY_TEXT_CHARS + 1], struct errinfo *err)
{
	struct keystore_key k;
	enum status st = describe(&k, role, label, now_ms, err);

	k.kind = kind;
	return st == ST_OK ? add(dir, max, &k, NULL, text, err) : st;
}

enum status keystore_add_certificate(const char *dir, size_t max,
				     enum role role, const char *label,
				     int64_t now_ms,
				     const uint8_t hash[KEY_HASH_BYTES],
				     char id[KEY_ID_CHARS + 1],
				     struct errinfo *err)
{
	char text[KEY_TEXT_CHARS + 1]; /* of which the id alone is used */
	struct keystore_key k;
	enum status st = describe(&k, role, label, now_ms, err);

	if (st == ST_OK)
		st = add(dir, max, &k, hash, text, err);
	if (st == ST_OK)
		(void)snprintf(id, KEY_ID_CHARS + 1, "%.*s", KEY_ID_CHARS,
			       text + 3);
	explicit_bzero(text, sizeof(text));
	return st;
}

enum status keystore_revoke(const char *dir, size_t max, const char *id,
			    struct errinfo *err)
{
	struct keystore_key *keys = NULL;
	size_t count = 0, at = 0;
	int fd = -1;
	enum status st = begin_change(dir, max, &fd, &keys, &count, err);

	if (st != ST_OK)
		goto done;
	while (at < count && strcmp(keys[at].id, id) != 0)
		at++;
	if (at == count) {
		st = err_set(err, ST_BAD_REQUEST, "no key has the id %.20s",
			     id);
		goto done;
	}
	memmove(&keys[at], &keys[at + 1], (count - at - 1) * sizeof(*keys));
	st = save(dir, keys, count - 1, err);
done:
	end_change(fd, keys, max);
	return st;
}

const struct keystore_key *keystore_by_id(const struct keystore_key *keys,
					  size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(keys[i].id, id, KEY_ID_CHARS) == 0)
			return &keys[i];
	return NULL;
}

const struct keystore_key *keystore_named(const struct keystore_key *keys,
					  size_t count, const char *text)
{
	if (strlen(text) != KEY_TEXT_CHARS || strncmp(text, "fg_", 3) != 0)
		return NULL;
	return keystore_by_id(keys, count, text + 3);
}

const struct keystore_key *
keystore_certificate(const struct keystore_key *keys, size_t count,
		     const uint8_t hash[KEY_HASH_BYTES])
{
	for (size_t i = 0; i < count; i++)
		if (keys[i].kind == KEY_CERTIFICATE &&
		    memcmp(keys[i].hash, hash, KEY_HASH_BYTES) == 0)
			return &keys[i];
	return NULL;
}

bool keystore_is(const struct keystore_key *key, const char *text)
{
	uint8_t hash[SHA256_DIGEST_SIZE];

	hash_of(text, hash);
	return memeql_sec(hash, key->hash, sizeof(hash)) != 0 &&
	       key->kind == KEY_BEARER;
}
