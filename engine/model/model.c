#include "model/model.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/crc32.h"
#include "nn/nn.h"

#define FILE_BYTES_MAX (64u << 20)
#define SIDE_MAX       16u /* kernel height and width */
#define CHANNELS_MAX   4096u
#define TABLE_MAX      32u /* entries: thresholds, quality */
#define NETS_MAX       8u
/* A requantisation scale beyond this could carry a float out of range. */
#define SCALE_MAX 1e6f
/* No embedding of a sane net is as long as this. */
#define LENGTH_MAX 1e15f

static bool span_ok(const struct model *m, uint32_t off, uint64_t bytes,
		    uint32_t align)
{
	return off % align == 0 && off >= sizeof(struct fgm_header) &&
	       off <= m->bytes && bytes <= m->bytes - off;
}

static enum status bad_layer(struct errinfo *err, unsigned i, const char *what)
{
	return err_set(err, ST_BAD_MODEL, "model layer %u: %s", i, what);
}

/* The largest |sum| an output can reach must stay inside int32, whatever the
 * input; then no kernel has to check. */
static bool sum_fits(const struct model *m, const struct fgm_layer *l,
		     size_t out, size_t plane)
{
	const int8_t *w = fgm_weights(m->file, l);
	int64_t top = l->in_type == FGM_S8 ? 128 : 32768;
	int64_t bias = plane == 0 ? fgm_bias(m->file, l)[out] : 0;
	int64_t sum = 0;

	if (l->op == FGM_DEPTHWISE) {
		size_t taps = (size_t)l->kernel_h * l->kernel_w;

		for (size_t i = 0; i < taps; i++)
			sum += abs(w[i * fgm_channels_padded(l) + out]);
	} else {
		size_t groups = fgm_k_padded(l) / FGM_K_GROUP;
		size_t step = FGM_K_GROUP * FGM_OUT_BLOCK;

		w += out / FGM_OUT_BLOCK * groups * fgm_planes(l) * step +
		     plane * step + out % FGM_OUT_BLOCK * FGM_K_GROUP;
		for (size_t g = 0; g < groups; g++)
			for (size_t i = 0; i < FGM_K_GROUP; i++)
				sum += abs(w[g * fgm_planes(l) * step + i]);
	}
	return sum * top + (bias < 0 ? -bias : bias) <= INT32_MAX;
}

static bool sums_fit(const struct model *m, const struct fgm_layer *l)
{
	for (size_t o = 0; o < fgm_channels_padded(l); o++)
		for (size_t p = 0; p < fgm_planes(l); p++)
			if (!sum_fits(m, l, o, p))
				return false;
	return true;
}

/* Floats must be numbers of a sane size, so that no sum of them overflows. */
static bool floats_fit(const float *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!(fabsf(v[i]) < SCALE_MAX))
			return false;
	return true;
}

static enum status check_floats(const struct model *m,
				const struct fgm_layer *l, unsigned i,
				struct errinfo *err)
{
	size_t ch = fgm_channels_padded(l), n = ch * fgm_k_padded(l);

	if (l->weights_bytes != n * sizeof(float) ||
	    !span_ok(m, l->weights_off, n * sizeof(float), 64) ||
	    l->channels_bytes != 8 * ch ||
	    !span_ok(m, l->channels_off, 8 * ch, 16))
		return bad_layer(err, i, "weights are out of place");
	if (!floats_fit(fgm_weights_f32(m->file, l), n) ||
	    !floats_fit(fgm_bias_f32(m->file, l), 2 * ch))
		return bad_layer(err, i, "weights out of range");
	return ST_OK;
}

static enum status check_weights(const struct model *m,
				 const struct fgm_layer *l, unsigned i,
				 struct errinfo *err)
{
	size_t ch = fgm_channels_padded(l);
	uint64_t want = l->op == FGM_CONV
				? (uint64_t)ch * fgm_k_padded(l) * fgm_planes(l)
				: (uint64_t)ch * l->kernel_h * l->kernel_w;
	const uint16_t *scale;

	if (l->weights_bytes != want || !span_ok(m, l->weights_off, want, 64))
		return bad_layer(err, i, "weights are out of place");
	if (l->channels_bytes != 8 * ch ||
	    !span_ok(m, l->channels_off, 8 * ch, 16))
		return bad_layer(err, i, "channels are out of place");
	scale = fgm_scale(m->file, l);
	for (size_t o = 0; o < l->out_channels; o++) {
		float s = bf16_to_float(scale[o]);

		if (!(s > 0.0f && s < SCALE_MAX))
			return bad_layer(err, i, "scale out of range");
	}
	/* Then two products fit 16 bits, in which some kernels add them. */
	if (l->in_type == FGM_S8 &&
	    memchr(fgm_weights(m->file, l), 0x80, (size_t)want) != NULL)
		return bad_layer(err, i, "a weight is -128");
	if (!sums_fit(m, l))
		return bad_layer(err, i, "sums can leave int32");
	return ST_OK;
}

/* What a layer says about itself, without regard to its neighbours. */
static enum status check_layer(const struct model *m, unsigned i, bool last,
			       struct errinfo *err)
{
	const struct fgm_layer *l = &m->layers[i];
	int lo = l->out_type == FGM_S8 ? INT8_MIN : INT16_MIN;
	int hi = l->out_type == FGM_S8 ? INT8_MAX : INT16_MAX;

	if (l->op < FGM_CONV || l->op > FGM_MAXPOOL)
		return bad_layer(err, i, "unknown operation");
	if (l->in_type < FGM_S8 || l->in_type > FGM_F32)
		return bad_layer(err, i, "unknown input type");
	if (l->out_type != l->in_type &&
	    !(last && l->out_type == FGM_F32 && l->op == FGM_CONV))
		return bad_layer(err, i, "output type does not fit");
	if (l->kernel_h == 0 || l->kernel_w == 0 || l->kernel_h > SIDE_MAX ||
	    l->kernel_w > SIDE_MAX || l->stride == 0 || l->stride > 4)
		return bad_layer(err, i, "kernel or stride out of range");
	if (l->pad_top >= l->kernel_h || l->pad_bottom >= l->kernel_h ||
	    l->pad_left >= l->kernel_w || l->pad_right >= l->kernel_w)
		return bad_layer(err, i, "padding out of range");
	if (l->in_channels == 0 || l->out_channels == 0 ||
	    l->in_channels > CHANNELS_MAX || l->out_channels > CHANNELS_MAX)
		return bad_layer(err, i, "channels out of range");
	if (l->op != FGM_CONV && l->in_channels != l->out_channels)
		return bad_layer(err, i, "channels differ");
	if (l->op == FGM_DEPTHWISE && l->in_type != FGM_S8)
		return bad_layer(err, i, "depthwise is for s8 only");
	if ((l->flags & FGM_FLAG_WIDE) &&
	    (l->op != FGM_CONV || l->in_type != FGM_S16))
		return bad_layer(err, i, "wide weights are for s16 convs");
	if (!(fabsf(l->slope_unit) < 1.0f))
		return bad_layer(err, i, "slope unit out of range");
	if (l->op == FGM_MAXPOOL) {
		/* Rounding up, a window could begin beyond the edge. */
		if (l->stride > l->kernel_h || l->stride > l->kernel_w)
			return bad_layer(err, i, "stride beyond the window");
		if (l->in_type == FGM_S8 || l->residual != FGM_NO_TENSOR ||
		    l->pad_top || l->pad_left || l->pad_bottom || l->pad_right)
			return bad_layer(err, i, "max pool is not for this");
		return ST_OK;
	}
	if (l->in_type == FGM_F32) {
		if (l->residual != FGM_NO_TENSOR || l->pad_top || l->pad_left ||
		    l->pad_bottom || l->pad_right)
			return bad_layer(err, i, "f32 conv must be bare");
		return check_floats(m, l, i, err);
	}
	if (l->out_type == FGM_F32) {
		if (l->residual != FGM_NO_TENSOR || l->out_zero != 0)
			return bad_layer(err, i, "f32 output with residual");
	} else if (l->out_min > l->out_max || l->out_min < lo ||
		   l->out_max > hi || l->out_zero < lo || l->out_zero > hi) {
		return bad_layer(err, i, "output range");
	}
	if (l->op == FGM_DEPTHWISE && l->residual != FGM_NO_TENSOR)
		return bad_layer(err, i, "residual after depthwise");
	if (l->residual != FGM_NO_TENSOR &&
	    !(isfinite(l->res_scale) && fabsf(l->res_scale) < SCALE_MAX))
		return bad_layer(err, i, "residual scale");
	return check_weights(m, l, i, err);
}

static enum status check_net(const struct model *m, const struct fgm_net *net,
			     struct errinfo *err)
{
	struct nn_plan plan;
	uint32_t h = net->in_height ? net->in_height : 64;
	uint32_t w = net->in_width ? net->in_width : 64;

	if (net->layer_count == 0 || net->layer_count > NN_LAYERS_MAX ||
	    net->first_layer >= m->header->layer_count ||
	    net->layer_count > m->header->layer_count - net->first_layer ||
	    net->in_channels == 0 || net->in_channels > CHANNELS_MAX ||
	    net->in_height > 512 || net->in_width > 512 ||
	    net->in_type < FGM_S8 || net->in_type > FGM_F32 ||
	    memchr(net->name, 0, sizeof(net->name)) == NULL)
		return err_set(err, ST_BAD_MODEL, "model net record");
	for (unsigned i = 0; i < net->layer_count; i++) {
		unsigned at = net->first_layer + i;
		enum status st = check_layer(m, at, i + 1 == net->layer_count,
					     err);

		if (st != ST_OK)
			return st;
	}
	/* Shapes, tensor numbers and residuals are what the planner checks. */
	return nn_plan_make(&plan, m, net, h, w, NN_ROWS, err);
}

static bool cuts_ok(const struct model *m)
{
	for (unsigned i = 0; i < m->header->cut_count; i++) {
		const struct fgm_cut *c = &m->cuts[i];

		if (!(c->fmr > 0.0f && c->fmr < 1.0f && c->score >= -1.0f &&
		      c->score <= 1.0f) ||
		    (i > 0 && (c->fmr >= c[-1].fmr || c->score < c[-1].score)))
			return false;
	}
	return true;
}

static bool quality_ok(const struct model *m)
{
	for (unsigned i = 0; i < m->header->quality_count; i++) {
		const struct fgm_quality *q = &m->quality[i];

		if (!(q->share >= 0.0f && q->share <= 1.0f &&
		      q->length > 0.0f && q->length < LENGTH_MAX) ||
		    (i > 0 &&
		     (q->share <= q[-1].share || q->length <= q[-1].length)))
			return false;
	}
	return true;
}

static enum status check_all(struct model *m, struct errinfo *err)
{
	const struct fgm_header *h = m->header;

	if (m->bytes < sizeof(*h) || memcmp(h->magic, FGM_MAGIC, 4) != 0)
		return err_set(err, ST_BAD_MODEL, "not a model file");
	if (h->version != FGM_VERSION)
		return err_set(err, ST_BAD_MODEL,
			       "model file version %u, this build reads %d",
			       h->version, FGM_VERSION);
	if (h->file_bytes != m->bytes)
		return err_set(err, ST_BAD_MODEL,
			       "model file has %zu bytes, its header says %u",
			       m->bytes, h->file_bytes);
	if (crc32_of(m->file + 16, m->bytes - 16) != h->crc32)
		return err_set(err, ST_BAD_MODEL, "model checksum is wrong");
	if (h->net_count == 0 || h->net_count > NETS_MAX ||
	    h->layer_count == 0 || h->layer_count > NETS_MAX * NN_LAYERS_MAX ||
	    h->cut_count > TABLE_MAX || h->quality_count > TABLE_MAX ||
	    !span_ok(m, h->nets_off, h->net_count * sizeof(struct fgm_net),
		     4) ||
	    !span_ok(m, h->layers_off,
		     h->layer_count * sizeof(struct fgm_layer), 4) ||
	    !span_ok(m, h->cuts_off, h->cut_count * sizeof(struct fgm_cut),
		     4) ||
	    !span_ok(m, h->quality_off,
		     h->quality_count * sizeof(struct fgm_quality), 4) ||
	    !span_ok(m, h->note_off, h->note_bytes, 1) ||
	    memchr(h->name, 0, sizeof(h->name)) == NULL)
		return err_set(err, ST_BAD_MODEL, "model sections");
	m->nets = (const void *)(m->file + h->nets_off);
	m->layers = (const void *)(m->file + h->layers_off);
	m->cuts = (const void *)(m->file + h->cuts_off);
	m->quality = (const void *)(m->file + h->quality_off);
	if (!cuts_ok(m))
		return err_set(err, ST_BAD_MODEL, "threshold table");
	if (!quality_ok(m))
		return err_set(err, ST_BAD_MODEL, "quality table");
	for (unsigned i = 0; i < h->net_count; i++) {
		enum status st = check_net(m, &m->nets[i], err);

		if (st != ST_OK)
			return st;
	}
	snprintf(m->id, sizeof(m->id), "%s@%08x", h->name, h->crc32);
	return ST_OK;
}

enum status model_view(struct model *m, const uint8_t *file, size_t bytes,
		       struct errinfo *err)
{
	memset(m, 0, sizeof(*m));
	m->file = file;
	m->bytes = bytes;
	m->header = (const void *)file;
	return check_all(m, err);
}

enum status model_open(struct model *m, const char *path, struct errinfo *err)
{
	enum status st = ST_OK;
	struct stat sb;
	void *map = MAP_FAILED;
	int fd;

	memset(m, 0, sizeof(*m));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, ST_IO_ERROR,
			       "cannot open model file %s: %s", path,
			       strerror(errno));
	if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode)) {
		st = err_set(err, ST_IO_ERROR, "model %s is not a file", path);
		goto done;
	}
	if (sb.st_size < (off_t)sizeof(struct fgm_header) ||
	    sb.st_size > (off_t)FILE_BYTES_MAX) {
		st = err_set(err, ST_BAD_MODEL, "%s: not a model file", path);
		goto done;
	}
	map = mmap(NULL, (size_t)sb.st_size, PROT_READ,
		   MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED) {
		st = err_set(err, ST_IO_ERROR, "cannot map %s: %s", path,
			     strerror(errno));
		goto done;
	}
	st = model_view(m, map, (size_t)sb.st_size, err);
	if (st != ST_OK) {
		munmap(map, (size_t)sb.st_size);
		memset(m, 0, sizeof(*m));
	}
done:
	close(fd);
	return st;
}

void model_close(struct model *m)
{
	if (m->file != NULL)
		munmap((void *)(uintptr_t)m->file, m->bytes);
	memset(m, 0, sizeof(*m));
}

const struct fgm_net *model_net(const struct model *m, const char *name)
{
	for (unsigned i = 0; i < m->header->net_count; i++)
		if (strcmp(m->nets[i].name, name) == 0)
			return &m->nets[i];
	return NULL;
}
