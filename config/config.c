#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 1024
#define ENV_PREFIX "FACEGATE_"

enum key_type { TYPE_TEXT, TYPE_INT, TYPE_BOOL, TYPE_REAL };

struct key {
	const char *name;
	enum key_type type;
	size_t offset; /* in struct config */
	double min, max;
	const char *preset; /* default, as text */
	const char *help;
};

#define KEY(NAME, TYPE, MIN, MAX, PRESET, HELP)                                \
	{                                                                      \
		#NAME, TYPE, offsetof(struct config, NAME), MIN, MAX, PRESET,  \
			HELP                                                   \
	}

/* The one list of keys. Order is the order of the sample file. */
static const struct key keys[] = {
	KEY(listen, TYPE_TEXT, 0, 0, "127.0.0.1:8080",
	    "Address and port to listen on; port 0 picks a free one."),
	KEY(data_dir, TYPE_TEXT, 0, 0, "data",
	    "Folder of the database; it must exist."),
	KEY(models_dir, TYPE_TEXT, 0, 0, "models",
	    "Folder of mtcnn.fgm and embedder-*.fgm."),
	KEY(embedder, TYPE_TEXT, 0, 0, "accurate",
	    "Which embedder: embedder-<name>.fgm."),
	KEY(log_level, TYPE_TEXT, 0, 0, "info", "error, warn, info or debug."),
	KEY(workers, TYPE_INT, 1, 16, "2",
	    "Pictures worked on at the same time; each has a pool of its own."),
	KEY(pool_kib, TYPE_INT, 512, 65536, "2048",
	    "Working memory of one worker, in KiB."),
	KEY(queue_max, TYPE_INT, 0, 64, "8",
	    "Requests that may wait for a worker; more are answered 503."),
	KEY(gallery_max, TYPE_INT, 1, 1000000, "10000",
	    "Templates that can be enrolled; each takes 148 bytes."),
	KEY(body_max_kib, TYPE_INT, 16, 65536, "16384",
	    "Largest request body, in KiB."),
	KEY(jpeg_max_width_px, TYPE_INT, 16, 65500, "8192",
	    "Longest side of a picture, in pixels."),
	KEY(jpeg_max_megapixels, TYPE_INT, 1, 400, "50",
	    "Most pixels of a picture, in millions."),
	KEY(jpeg_max_scans, TYPE_INT, 1, 1000, "64",
	    "Most scans of a progressive JPEG."),
	KEY(jpeg_strict, TYPE_BOOL, 0, 0, "false",
	    "Refuse pictures with any decoder warning, harmless ones too."),
	KEY(min_face_px, TYPE_INT, 12, 1000, "20",
	    "Smallest face looked for, in pixels of the working picture."),
	KEY(min_inter_eye_px, TYPE_INT, 0, 1000, "16",
	    "Smallest distance between the eyes that is accepted, in pixels."),
	KEY(target_fmr, TYPE_REAL, 1e-6, 1e-2, "0.0001",
	    "False match rate that a one-to-one comparison may have."),
	KEY(connections_max, TYPE_INT, 4, 1024, "64",
	    "Open connections; more wait in the kernel."),
	KEY(connections_per_ip, TYPE_INT, 0, 1024, "0",
	    "Open connections of one address; 0 sets no limit."),
	KEY(request_timeout_ms, TYPE_INT, 500, 600000, "15000",
	    "A request must have arrived whole after this time."),
	KEY(db_cache_kib, TYPE_INT, 64, 65536, "512",
	    "Page cache of the database, in KiB."),
	KEY(log_max_rows, TYPE_INT, 100, 100000000, "100000",
	    "Rows of the match log; the oldest go first."),
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

static const struct key *find(const char *name)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

bool cfg_is_key(const char *name)
{
	return find(name) != NULL;
}

static enum status bad_value(struct errinfo *err, const struct key *k,
			     const char *value, const char *want)
{
	return err_set(err, ST_BAD_CONFIG, "%s: \"%.60s\" is not %s", k->name,
		       value, want);
}

static enum status out_of_range(struct errinfo *err, const struct key *k,
				const char *value)
{
	return err_set(err, ST_BAD_CONFIG, "%s: %.60s is not within %g and %g",
		       k->name, value, k->min, k->max);
}

static enum status set_key(struct config *cfg, const struct key *k,
			   const char *value, struct errinfo *err)
{
	char *field = (char *)cfg + k->offset;
	char *end;

	errno = 0;
	switch (k->type) {
	case TYPE_TEXT:
		if (value[0] == '\0')
			return bad_value(err, k, value, "a text");
		if (strlen(value) >= CFG_TEXT_MAX)
			return bad_value(err, k, value, "short enough");
		strncpy(field, value, CFG_TEXT_MAX - 1);
		field[CFG_TEXT_MAX - 1] = '\0';
		return ST_OK;
	case TYPE_BOOL:
		if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
			return bad_value(err, k, value, "true or false");
		*(bool *)(void *)field = value[0] == 't';
		return ST_OK;
	case TYPE_INT: {
		long long v = strtoll(value, &end, 10);

		if (end == value || *end != '\0' || errno != 0 ||
		    isspace((unsigned char)value[0]))
			return bad_value(err, k, value, "a whole number");
		if ((double)v < k->min || (double)v > k->max)
			return out_of_range(err, k, value);
		*(int64_t *)(void *)field = v;
		return ST_OK;
	}
	default: {
		double v = strtod(value, &end);

		if (end == value || *end != '\0' || !isfinite(v) ||
		    isspace((unsigned char)value[0]))
			return bad_value(err, k, value, "a number");
		if (v < k->min || v > k->max)
			return out_of_range(err, k, value);
		*(double *)(void *)field = v;
		return ST_OK;
	}
	}
}

void cfg_defaults(struct config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (set_key(cfg, &keys[i], keys[i].preset, NULL) != ST_OK)
			abort(); /* the table contradicts itself */
}

enum status cfg_set(struct config *cfg, const char *name, const char *value,
		    struct errinfo *err)
{
	const struct key *k = find(name);

	if (k == NULL)
		return err_set(err, ST_BAD_CONFIG, "unknown key %.60s", name);
	return set_key(cfg, k, value, err);
}

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

enum status cfg_read_file(struct config *cfg, const char *path,
			  struct errinfo *err)
{
	FILE *f = fopen(path, "re");
	char line[LINE_BYTES];
	unsigned number = 0;
	enum status st = ST_OK;

	if (f == NULL)
		return err_set(err, ST_BAD_CONFIG, "%.100s: %s", path,
			       strerror(errno));
	while (st == ST_OK && fgets(line, sizeof(line), f) != NULL) {
		struct errinfo why;
		char *key, *value;

		number++;
		if (strchr(line, '\n') == NULL && !feof(f)) {
			st = err_set(err, ST_BAD_CONFIG,
				     "%.100s line %u: longer than %d bytes",
				     path, number, LINE_BYTES - 2);
			break;
		}
		key = trim(line);
		if (*key == '\0' || *key == '#')
			continue;
		value = strchr(key, '=');
		if (value == NULL) {
			st = err_set(err, ST_BAD_CONFIG,
				     "%.100s line %u: no '='", path, number);
			break;
		}
		*value++ = '\0';
		err_clear(&why);
		st = cfg_set(cfg, trim(key), trim(value), &why);
		if (st != ST_OK)
			err_set(err, st, "%.60s line %u: %.110s", path, number,
				why.text);
	}
	if (st == ST_OK && ferror(f))
		st = err_set(err, ST_BAD_CONFIG, "%.100s: cannot be read",
			     path);
	fclose(f);
	return st;
}

enum status cfg_read_env(struct config *cfg, char *const *environ_list,
			 struct errinfo *err)
{
	for (; *environ_list != NULL; environ_list++) {
		const char *name = *environ_list + strlen(ENV_PREFIX);
		const char *eq = strchr(*environ_list, '=');
		char key[64];
		size_t n;
		struct errinfo why;
		enum status st;

		if (strncmp(*environ_list, ENV_PREFIX, strlen(ENV_PREFIX)) !=
			    0 ||
		    eq == NULL)
			continue;
		n = (size_t)(eq - name);
		if (n >= sizeof(key))
			n = sizeof(key) - 1;
		for (size_t i = 0; i < n; i++)
			key[i] = (char)tolower((unsigned char)name[i]);
		key[n] = '\0';
		if (strcmp(key, "isa") == 0 || strcmp(key, "config") == 0)
			continue;
		err_clear(&why);
		st = cfg_set(cfg, key, eq + 1, &why);
		if (st != ST_OK)
			return err_set(err, st, "%s%.60s: %.110s", ENV_PREFIX,
				       name, why.text);
	}
	return ST_OK;
}

enum status cfg_check(const struct config *cfg, struct errinfo *err)
{
	static const char *const levels[] = { "error", "warn", "info",
					      "debug" };
	bool known = false;

	for (size_t i = 0; i < 4; i++)
		known |= strcmp(cfg->log_level, levels[i]) == 0;
	if (!known)
		return err_set(err, ST_BAD_CONFIG,
			       "log_level: \"%.40s\" is not error, warn, info "
			       "or debug",
			       cfg->log_level);
	if (strpbrk(cfg->embedder, "/.") != NULL)
		return err_set(err, ST_BAD_CONFIG,
			       "embedder: \"%.40s\" is not a name",
			       cfg->embedder);
	if (cfg->connections_per_ip > cfg->connections_max)
		return err_set(err, ST_BAD_CONFIG,
			       "connections_per_ip: %lld cannot take effect "
			       "above connections_max, %lld",
			       (long long)cfg->connections_per_ip,
			       (long long)cfg->connections_max);
	return ST_OK;
}

static void print_value(const struct config *cfg, const struct key *k,
			FILE *out)
{
	const char *field = (const char *)cfg + k->offset;

	switch (k->type) {
	case TYPE_TEXT:
		fprintf(out, "%s = %s\n", k->name, field);
		break;
	case TYPE_BOOL:
		fprintf(out, "%s = %s\n", k->name,
			*(const bool *)(const void *)field ? "true" : "false");
		break;
	case TYPE_INT:
		fprintf(out, "%s = %lld\n", k->name,
			(long long)*(const int64_t *)(const void *)field);
		break;
	default:
		fprintf(out, "%s = %g\n", k->name,
			*(const double *)(const void *)field);
	}
}

void cfg_print(const struct config *cfg, FILE *out)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		print_value(cfg, &keys[i], out);
}

void cfg_print_sample(FILE *out)
{
	fprintf(out,
		"# facegate: every key with its default. Uncomment to change.\n"
		"# Later wins: this file, then FACEGATE_<KEY> in the "
		"environment,\n"
		"# then --<key>=<value> on the command line.\n");
	for (size_t i = 0; i < KEY_COUNT; i++) {
		const struct key *k = &keys[i];

		fprintf(out, "\n# %s", k->help);
		if (k->type == TYPE_INT)
			fprintf(out, " %lld to %lld.", (long long)k->min,
				(long long)k->max);
		else if (k->type == TYPE_REAL)
			fprintf(out, " %g to %g.", k->min, k->max);
		fprintf(out, "\n# %s = %s\n", k->name, k->preset);
	}
}
