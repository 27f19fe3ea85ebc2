#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "engine_setup.h"

enum status cli_open_engine(const struct cli *cli, unsigned workers,
			    struct engine **out, struct errinfo *err)
{
	struct srv_engine_paths paths;
	struct engine_options opt;

	srv_engine_options(&cli->cfg, &paths, &opt);
	opt.workers = workers;
	opt.gallery_max = 1;
	return engine_open(&opt, out, err);
}

static ssize_t read_file(void *ctx, uint8_t *buf, size_t cap)
{
	ssize_t n;

	do
		n = read(*(int *)ctx, buf, cap);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -(ssize_t)ST_IO_ERROR : n;
}

enum status cli_load(struct engine *e, unsigned slot, const char *path,
		     struct picture_info *info, struct face *faces,
		     size_t *count, struct errinfo *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct byte_source src = { read_file, &fd };
	enum status st;

	*count = 0;
	if (fd < 0)
		return err_set(err, ST_IO_ERROR, "%.120s: %s", path,
			       strerror(errno));
	st = engine_decode(e, slot, &src, info, err);
	close(fd);
	if (st == ST_OK)
		st = engine_detect(e, slot, faces, ENGINE_FACES_MAX, count,
				   err);
	return st;
}

json_t *cli_real(double v, int digits)
{
	double unit = pow(10.0, digits);

	return isfinite(v) ? json_real(rint(v * unit) / unit) : json_null();
}

void cli_print_json(json_t *object)
{
	json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8));
	putchar('\n');
	json_decref(object);
}

int cli_fail(const struct errinfo *err, const char *what)
{
	fprintf(stderr, "facegate: %s%s%s (%s)\n", what, *what ? ": " : "",
		err->text[0] ? err->text : status_title(err->status),
		status_code(err->status));
	return EXIT_ERROR;
}

void cli_progress(const char *what, size_t done, size_t total, double seconds)
{
	char bar[31];
	double rate = seconds > 0 ? (double)done / seconds : 0;
	size_t full = total ? done * 30 / total : 30;

	if (!isatty(STDERR_FILENO))
		return;
	for (size_t i = 0; i < 30; i++)
		bar[i] = i < full ? '#' : '.';
	bar[30] = '\0';
	fprintf(stderr, "\r%s [%s] %zu/%zu  %.1f/s  %.0f s left   %s", what,
		bar, done, total, rate,
		rate > 0 ? (double)(total - done) / rate : 0.0,
		done == total ? "\n" : "");
	fflush(stderr);
}
