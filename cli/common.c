/* The engine and its pictures, opened as the daemon opens them. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "engine_setup.h"

enum status cli_open_engine(const struct cli *cli, unsigned workers,
			    struct engine **out, struct errinfo *err)
{
	struct srv_engine_paths paths;
	struct engine_options opt;
	enum status st;

	srv_engine_options(&cli->cfg, &paths, &opt);
	opt.workers = workers;
	opt.gallery_max = 1;
	*out = NULL;
	st = srv_engine_key(&cli->cfg, &paths, &opt, err);
	return st == ST_OK ? engine_open(&opt, out, err) : st;
}

struct picture_file {
	int fd;
	int error; /* errno of a failed read */
};

static ssize_t read_file(void *ctx, uint8_t *buf, size_t cap)
{
	struct picture_file *f = ctx;
	ssize_t n;

	do
		n = read(f->fd, buf, cap);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	f->error = errno;
	return -(ssize_t)ST_IO_ERROR;
}

enum status cli_load(struct engine *e, unsigned slot, const char *path,
		     struct picture_info *info,
		     struct face faces[ENGINE_FACES_MAX], size_t *count,
		     struct errinfo *err)
{
	struct picture_file f = { .fd = open(path, O_RDONLY | O_CLOEXEC) };
	struct byte_source src = { read_file, &f };
	enum status st;

	*count = 0;
	if (f.fd < 0)
		return err_set(err, ST_IO_ERROR, "%s", strerror(errno));
	st = engine_decode(e, slot, &src, info, err);
	close(f.fd);
	if (f.error != 0) {
		err_clear(err);
		return err_set(err, ST_IO_ERROR, "%s", strerror(f.error));
	}
	if (st == ST_OK)
		st = engine_detect(e, slot, faces, ENGINE_FACES_MAX, count,
				   err);
	return st;
}

size_t cli_central_face(const struct face *faces, size_t count,
			const struct picture_info *info)
{
	float best = INFINITY;
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		const float *box = faces[i].box;
		float dx = box[0] + box[2] / 2 - (float)info->width_px / 2;
		float dy = box[1] + box[3] / 2 - (float)info->height_px / 2;

		if (dx * dx + dy * dy < best) {
			best = dx * dx + dy * dy;
			at = i;
		}
	}
	return at;
}
