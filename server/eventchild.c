#include "eventchild.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* This program's folder and that name. */
static bool beside(const char *program, char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	if (n <= 0)
		return false;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL ||
	    (size_t)(slash - path) + strlen(program) + 2 > PATH_MAX)
		return false;
	memcpy(slash + 1, program, strlen(program) + 1);
	return true;
}

static int spawn(struct eventchild *c, const char *path, const int in[2],
		 const int out[2])
{
	char *const argv[] = { (char *)path, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, preset;
	int rc;

	/* The daemon's signal mask is not for the child, and nothing of what
	 * the daemon has open. */
	sigemptyset(&none);
	sigemptyset(&preset);
	sigaddset(&preset, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &preset);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in[0], 0);
	posix_spawn_file_actions_adddup2(&files, out[1], 1);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	rc = posix_spawn(&c->pid, path, &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return rc;
}

static bool tell_config(struct eventchild *c, const struct config *cfg)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	bool ok = f != NULL;

	if (ok) {
		cfg_print(cfg, f);
		fputc('\n', f);
		ok = fclose(f) == 0;
	}
	/* It fits into an empty pipe. */
	ok = ok && eventchild_send(c, text, n);
	free(text);
	return ok;
}

enum status eventchild_start(struct eventchild *c, const char *program,
			     const struct config *cfg, struct errinfo *err)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 };
	char path[PATH_MAX];
	int rc = ENOENT;

	c->pid = 0;
	c->in = c->out = -1;
	c->used = 0;
	if (beside(program, path))
		rc = pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0
			     ? errno
			     : spawn(c, path, in, out);
	if (in[0] >= 0)
		close(in[0]);
	if (out[1] >= 0)
		close(out[1]);
	c->in = in[1];
	c->out = out[0];
	if (rc == 0 && fcntl(c->in, F_SETFL, O_NONBLOCK) == 0 &&
	    fcntl(c->out, F_SETFL, O_NONBLOCK) == 0 && tell_config(c, cfg))
		return ST_OK;
	if (rc != 0)
		c->pid = 0;
	eventchild_stop(c, 0);
	return err_set(err, ST_IO_ERROR, "%s: %s", program,
		       rc ? strerror(rc) : "does not take its configuration");
}

bool eventchild_send(struct eventchild *c, const char *text, size_t n)
{
	return write(c->in, text, n) == (ssize_t)n;
}

static bool take_word(struct eventchild *c, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(c->line, word, n) != 0)
		return false;
	memmove(c->line, c->line + n, strlen(c->line + n) + 1);
	return true;
}

static enum eventchild_answer gone(struct eventchild *c, const char *why)
{
	(void)snprintf(c->line, sizeof(c->line), "%s", why);
	return EVENTCHILD_GONE;
}

/* What a whole line in c->line says. */
static enum eventchild_answer understand(struct eventchild *c, int64_t *number)
{
	char *end;

	if (strcmp(c->line, "ready") == 0)
		return EVENTCHILD_READY;
	if (take_word(c, "failed "))
		return EVENTCHILD_FAILED;
	if (take_word(c, "ended "))
		return EVENTCHILD_GONE;
	if (take_word(c, "sent ")) {
		*number = strtoll(c->line, &end, 10);
		if (*end == '\0')
			return EVENTCHILD_SENT;
	}
	return gone(c, "the sender talks nonsense");
}

/* A byte at a time: answers are short and rare, and what follows a line then
 * stays in the pipe. */
enum eventchild_answer eventchild_read(struct eventchild *c, int64_t *number)
{
	for (;;) {
		ssize_t n = read(c->out, c->line + c->used, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return EVENTCHILD_NOTHING;
		if (n <= 0)
			return gone(c, "the sender ended");
		if (c->line[c->used] == '\n') {
			c->line[c->used] = '\0';
			c->used = 0;
			return understand(c, number);
		}
		if (++c->used == sizeof(c->line))
			return gone(c, "the sender talks nonsense");
	}
}

void eventchild_stop(struct eventchild *c, unsigned grace_ms)
{
	struct timespec tick = { 0, 10 * 1000000 };

	/* The end of its input asks it to leave. */
	if (c->in >= 0)
		close(c->in);
	for (; c->pid > 0; grace_ms -= grace_ms < 10 ? grace_ms : 10) {
		if (waitpid(c->pid, NULL, WNOHANG) != 0)
			c->pid = 0;
		else if (grace_ms == 0)
			kill(c->pid, SIGKILL);
		if (c->pid > 0)
			nanosleep(&tick, NULL);
	}
	if (c->out >= 0)
		close(c->out);
	c->in = c->out = -1;
}
