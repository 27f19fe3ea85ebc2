/* The table of keys and everything that is derived from it: defaults, reading,
 * checking, printing. The caller owns struct config; there is no other state.
 */
#include "config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 1024
#define ENV_PREFIX "FACEGATE_"

/* An optional text may be empty, which means: none. */
enum key_type { TYPE_TEXT, TYPE_OPTIONAL, TYPE_INT, TYPE_BOOL, TYPE_REAL };

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
	KEY(tls_cert, TYPE_OPTIONAL, 0, 0, "",
	    "PEM file of a certificate and its chain: TLS alone is spoken "
	    "then; empty: plain HTTP."),
	KEY(tls_key, TYPE_OPTIONAL, 0, 0, "",
	    "PEM file of its private key, closed to others; a name without a "
	    "slash is a systemd credential."),
	KEY(tls_client_ca, TYPE_OPTIONAL, 0, 0, "",
	    "PEM file of certificates that clients' certificates must come "
	    "from; empty: none is asked for."),
	KEY(tls_client_required, TYPE_BOOL, 0, 0, "false",
	    "Let in no connection without a client's certificate."),
	KEY(data_dir, TYPE_TEXT, 0, 0, "data",
	    "Folder of the database; it must exist."),
	KEY(key_file, TYPE_TEXT, 0, 0, "auto",
	    "Keys that rows are encrypted with; auto is the credential "
	    "facegate-key, or facegate.key in data_dir."),
	KEY(template_key_file, TYPE_OPTIONAL, 0, 0, "",
	    "File with a key by which templates are rotated, readable by its "
	    "owner alone; another key makes all of them void."),
	KEY(models_dir, TYPE_TEXT, 0, 0, "models",
	    "Folder of mtcnn.fgm and embedder-*.fgm."),
	KEY(embedder, TYPE_TEXT, 0, 0, "accurate",
	    "Which embedder: embedder-<name>.fgm."),
	KEY(log_level, TYPE_TEXT, 0, 0, "info", "error, warn, info or debug."),
	KEY(workers, TYPE_INT, 1, 16, "2",
	    "Pictures worked on at the same time; each has a pool of its own."),
	KEY(pool_kib, TYPE_INT, 256, 65536, "2048",
	    "Working memory of one worker, in KiB."),
	KEY(queue_max, TYPE_INT, 0, 64, "8",
	    "Requests that may wait for a worker; more are answered 503. As "
	    "many "
	    "as there are workers can only be those of doors."),
	KEY(gallery_max, TYPE_INT, 1, 1000000, "10000",
	    "Templates that can be enrolled; each takes 140 bytes."),
	KEY(body_max_kib, TYPE_INT, 16, 65536, "16384",
	    "Largest request body, in KiB."),
	KEY(deepstack_kib, TYPE_INT, 0, 16384, "0",
	    "Serve DeepStack's face routes, with bodies of at most so many "
	    "KiB; each worker takes as much memory for it. 0: not served."),
	KEY(jpeg_max_width_px, TYPE_INT, 16, 65500, "8192",
	    "Longest side of a picture, in pixels."),
	KEY(jpeg_max_megapixels, TYPE_INT, 1, 400, "50",
	    "Most pixels of a picture, in millions."),
	KEY(jpeg_max_scans, TYPE_INT, 1, 1000, "64",
	    "Most scans of a progressive JPEG."),
	KEY(jpeg_strict, TYPE_BOOL, 0, 0, "false",
	    "Refuse pictures with any decoder warning, harmless ones too."),
	KEY(picture_planes, TYPE_BOOL, 0, 0, "false",
	    "Hold a picture that is too large for the pool in half the memory "
	    "rather than smaller: sharper far faces, slower detection."),
	KEY(min_face_px, TYPE_INT, 0, 1000, "0",
	    "Smallest face looked for, in pixels of the working picture, from "
	    "12; "
	    "0 is a tenth of its short side, but 20 at least."),
	KEY(early_exit, TYPE_BOOL, 0, 0, "false",
	    "A door's picture is searched from large faces to small ones, and "
	    "no further than to one that stands out: faster."),
	KEY(min_inter_eye_px, TYPE_INT, 0, 1000, "16",
	    "Smallest distance between the eyes that is accepted, in pixels."),
	KEY(quality_min, TYPE_INT, 0, 50, "3",
	    "Least picture quality, in percent; below it a door is unsure."),
	KEY(enrol_sharpness_min, TYPE_INT, 0, 100, "15",
	    "Least sharpness of a picture to enrol; 0 takes all."),
	KEY(enrol_exposure_min, TYPE_INT, 0, 100, "20",
	    "Least exposure of a picture to enrol; 0 takes all."),
	KEY(enrol_yaw_max, TYPE_INT, 1, 90, "40",
	    "Most that a head to enrol may be turned, in degrees."),
	KEY(enrol_roll_max, TYPE_INT, 1, 180, "30",
	    "Most that a head to enrol may be tilted, in degrees."),
	KEY(keep_crops, TYPE_BOOL, 0, 0, "false",
	    "Keep, encrypted, the 112x112 pixels that each template is made "
	    "from, so that another embedder can be used without enrolling "
	    "again; false erases them."),
	KEY(target_fmr, TYPE_REAL, 1e-6, 1e-2, "0.0001",
	    "False match rate that a one-to-one comparison may have."),
	KEY(connections_max, TYPE_INT, 4, 1024, "64",
	    "Open connections; more wait in the kernel."),
	KEY(connections_per_ip, TYPE_INT, 0, 1024, "0",
	    "Open connections of one address; 0 is three quarters of "
	    "connections_max."),
	KEY(people_max, TYPE_INT, 1, 1000000, "10000",
	    "People that can be stored, with or without templates."),
	KEY(doors_max, TYPE_INT, 0, 1000, "64",
	    "Doors with rules of their own."),
	KEY(keys_max, TYPE_INT, 1, 1024, "64",
	    "API keys; each takes 128 bytes."),
	KEY(console, TYPE_BOOL, 0, 0, "true",
	    "Serve the operator's console at /; it asks for a key itself."),
	KEY(first_key, TYPE_BOOL, 0, 0, "false",
	    "At a start without keys, make one for an admin and print it."),
	KEY(signature_window_s, TYPE_INT, 1, 300, "30",
	    "How old a signed request may be, in seconds."),
	KEY(lockout_failures, TYPE_INT, 1, 1000, "10",
	    "Wrong keys from one address before it must wait."),
	KEY(lockout_s, TYPE_INT, 1, 86400, "60",
	    "How long it must wait, in seconds."),
	KEY(request_timeout_ms, TYPE_INT, 500, 600000, "15000",
	    "A request must have arrived whole after this time."),
	KEY(db_cache_kib, TYPE_INT, 64, 65536, "128",
	    "Page cache of the database, in KiB; all of it is taken at start."),
	KEY(log_max_rows, TYPE_INT, 100, 100000000, "100000",
	    "Rows of the match log; the oldest go first."),
	KEY(log_days, TYPE_INT, 0, 3650, "0",
	    "Days after which a row of the match log goes, however few there "
	    "are; 0: rows go by number alone."),
	KEY(audit_max_rows, TYPE_INT, 100, 10000000, "20000",
	    "Rows of the audit log; the oldest go first."),
	KEY(backup_file, TYPE_OPTIONAL, 0, 0, "auto",
	    "Automatic backup of the database, from which a damaged one is "
	    "restored; auto is facegate.backup in data_dir, empty: none."),
	KEY(backup_minutes, TYPE_INT, 1, 10080, "60",
	    "How long after a change of people or doors it is made at the "
	    "latest; for the match log alone once a day."),
	KEY(event_ttl_s, TYPE_INT, 1, 300, "10",
	    "How long a decision is offered to webhook and broker, in "
	    "seconds; after that it never leaves."),
	KEY(events_max, TYPE_INT, 1, 100000, "1000",
	    "Decisions that may wait to be sent; the oldest go first."),
	KEY(event_timeout_ms, TYPE_INT, 100, 60000, "5000",
	    "What an attempt to send one may take."),
	KEY(webhook_url, TYPE_OPTIONAL, 0, 0, "",
	    "Where every decision is posted, http:// or https://; empty: "
	    "nowhere."),
	KEY(webhook_secret_file, TYPE_OPTIONAL, 0, 0, "",
	    "File with the secret that signs them, readable by its owner "
	    "alone; a name without a slash is a systemd credential."),
	KEY(webhook_ca_file, TYPE_OPTIONAL, 0, 0, "",
	    "Certificates to trust instead of the system's."),
	KEY(mqtt_host, TYPE_OPTIONAL, 0, 0, "",
	    "MQTT 5 broker that every decision is published to; empty: none."),
	KEY(mqtt_port, TYPE_INT, 1, 65535, "1883",
	    "Its port; 8883 is usual with TLS."),
	KEY(mqtt_topic, TYPE_TEXT, 0, 0, "facegate",
	    "First part of the topics."),
	KEY(mqtt_tls, TYPE_BOOL, 0, 0, "false",
	    "Speak TLS with it and check its certificate."),
	KEY(mqtt_ca_file, TYPE_OPTIONAL, 0, 0, "",
	    "Certificates to trust instead of the system's."),
	KEY(mqtt_user, TYPE_OPTIONAL, 0, 0, "", "Name to log in with."),
	KEY(mqtt_password_file, TYPE_OPTIONAL, 0, 0, "",
	    "File with the password, as webhook_secret_file."),
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

static enum status set_text(const struct key *k, char *field, const char *value,
			    struct errinfo *err)
{
	size_t length = strlen(value);

	if (length == 0 && k->type != TYPE_OPTIONAL)
		return err_set(err, ST_BAD_CONFIG, "%s: must not be empty",
			       k->name);
	if (length >= CFG_TEXT_MAX)
		return err_set(err, ST_BAD_CONFIG,
			       "%s: \"%.40s...\" is longer than %d bytes",
			       k->name, value, CFG_TEXT_MAX - 1);
	for (size_t i = 0; i < length; i++)
		if (iscntrl((unsigned char)value[i]))
			return err_set(err, ST_BAD_CONFIG,
				       "%s: byte %zu is a control character",
				       k->name, i + 1);
	/* A file cannot say such a value: it is a slip in the environment. */
	if (length > 0 && (value[0] == ' ' || value[length - 1] == ' '))
		return err_set(err, ST_BAD_CONFIG,
			       "%s: \"%.60s\" begins or ends with a space",
			       k->name, value);
	memcpy(field, value, length + 1);
	return ST_OK;
}

static enum status set_int(const struct key *k, int64_t *field,
			   const char *value, struct errinfo *err)
{
	const long long min = (long long)k->min, max = (long long)k->max;
	char *end;
	long long v;

	errno = 0;
	v = strtoll(value, &end, 10);
	if (end == value || *end != '\0' || isspace((unsigned char)value[0]))
		return bad_value(err, k, value, "a whole number");
	if (errno == ERANGE || v < min || v > max)
		return err_set(err, ST_BAD_CONFIG,
			       "%s: %.60s is outside %lld to %lld", k->name,
			       value, min, max);
	*field = v;
	return ST_OK;
}

static enum status set_real(const struct key *k, double *field,
			    const char *value, struct errinfo *err)
{
	char *end;
	double v = strtod(value, &end);

	if (end == value || *end != '\0' || !isfinite(v) ||
	    isspace((unsigned char)value[0]))
		return bad_value(err, k, value, "a number");
	if (v < k->min || v > k->max)
		return err_set(err, ST_BAD_CONFIG,
			       "%s: %.60s is outside %g to %g", k->name, value,
			       k->min, k->max);
	*field = v;
	return ST_OK;
}

static enum status set_key(struct config *cfg, const struct key *k,
			   const char *value, struct errinfo *err)
{
	void *field = (char *)cfg + k->offset;

	switch (k->type) {
	case TYPE_TEXT:
	case TYPE_OPTIONAL:
		return set_text(k, field, value, err);
	case TYPE_INT:
		return set_int(k, field, value, err);
	case TYPE_REAL:
		return set_real(k, field, value, err);
	case TYPE_BOOL:
		break;
	}
	if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		return bad_value(err, k, value, "true or false");
	*(bool *)field = value[0] == 't';
	return ST_OK;
}

void cfg_defaults(struct config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	for (size_t i = 0; i < KEY_COUNT; i++) {
		enum status st = set_key(cfg, &keys[i], keys[i].preset, NULL);

		assert(st == ST_OK);
		(void)st;
	}
}

enum status cfg_set(struct config *cfg, const char *key, const char *value,
		    struct errinfo *err)
{
	const struct key *k = find(key);

	if (k == NULL)
		return err_set(err, ST_BAD_CONFIG, "unknown key \"%.60s\"",
			       key);
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

/* Sets what one line says; seen[] holds the line each key was last set in. */
static enum status read_line(struct config *cfg, char *line, unsigned number,
			     unsigned *seen, struct errinfo *err)
{
	char *key = trim(line);
	char *value = strchr(key, '=');
	const struct key *k;

	if (*key == '\0' || *key == '#')
		return ST_OK;
	if (value == NULL)
		return err_set(err, ST_BAD_CONFIG,
			       "\"%.60s\" is not of the form key = value", key);
	*value++ = '\0';
	key = trim(key);
	k = find(key);
	if (k == NULL)
		return err_set(err, ST_BAD_CONFIG, "unknown key \"%.60s\"",
			       key);
	/* The earlier value could not take effect. */
	if (seen[k - keys] != 0)
		return err_set(err, ST_BAD_CONFIG,
			       "%s is already set in line %u", key,
			       seen[k - keys]);
	seen[k - keys] = number;
	return set_key(cfg, k, trim(value), err);
}

enum status cfg_read_file(struct config *cfg, const char *path,
			  struct errinfo *err)
{
	FILE *f = fopen(path, "re");
	char line[LINE_BYTES];
	unsigned seen[KEY_COUNT] = { 0 };
	unsigned number = 0;
	enum status st = ST_OK;

	if (f == NULL)
		return err_set(err, ST_BAD_CONFIG, "%.100s: %s", path,
			       strerror(errno));
	while (st == ST_OK && fgets(line, sizeof(line), f) != NULL) {
		struct errinfo why;

		number++;
		err_clear(&why);
		if (strchr(line, '\n') == NULL && !feof(f))
			st = err_set(&why, ST_BAD_CONFIG,
				     "longer than %d bytes, or binary",
				     LINE_BYTES - 2);
		else
			st = read_line(cfg, line, number, seen, &why);
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
	const size_t prefix = strlen(ENV_PREFIX);

	for (; *environ_list != NULL; environ_list++) {
		const char *name = *environ_list;
		const char *eq = strchr(name, '=');
		char key[64] = "";
		struct errinfo why;
		enum status st;

		if (strncmp(name, ENV_PREFIX, prefix) != 0 || eq == NULL)
			continue;
		/* A name too long for key[] is cut, and then unknown. */
		for (size_t i = 0; i + 1 < sizeof(key); i++) {
			if (name + prefix + i == eq)
				break;
			key[i] = (char)tolower((unsigned char)name[prefix + i]);
		}
		if (strcmp(key, "isa") == 0 || strcmp(key, "config") == 0 ||
		    strcmp(key, "server") == 0 || strcmp(key, "key") == 0)
			continue;
		err_clear(&why);
		st = cfg_set(cfg, key, eq + 1, &why);
		if (st != ST_OK)
			return err_set(err, st, "%.*s: %.110s",
				       eq - name < 70 ? (int)(eq - name) : 70,
				       name, why.text);
	}
	return ST_OK;
}

static void print_value(const struct config *cfg, const struct key *k,
			const char *equals, FILE *out)
{
	const char *field = (const char *)cfg + k->offset;

	fprintf(out, "%s%s", k->name, equals);
	switch (k->type) {
	case TYPE_TEXT:
	case TYPE_OPTIONAL:
		fprintf(out, "%s\n", field);
		break;
	case TYPE_BOOL:
		fprintf(out, "%s\n",
			*(const bool *)(const void *)field ? "true" : "false");
		break;
	case TYPE_INT:
		fprintf(out, "%lld\n",
			(long long)*(const int64_t *)(const void *)field);
		break;
	default:
		fprintf(out, "%.15g\n", *(const double *)(const void *)field);
	}
}

void cfg_print(const struct config *cfg, FILE *out)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		print_value(cfg, &keys[i], " = ", out);
}

static bool is_preset(const struct config *cfg, const struct key *k)
{
	const void *field = (const char *)cfg + k->offset;

	switch (k->type) {
	case TYPE_TEXT:
	case TYPE_OPTIONAL:
		return strcmp(field, k->preset) == 0;
	case TYPE_BOOL:
		return *(const bool *)field == (k->preset[0] == 't');
	case TYPE_INT:
		return *(const int64_t *)field == strtoll(k->preset, NULL, 10);
	default:
		return fabs(*(const double *)field - strtod(k->preset, NULL)) <
		       1e-15;
	}
}

void cfg_print_changes(const struct config *cfg, FILE *out)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (is_preset(cfg, &keys[i]))
			continue;
		if (keys[i].type == TYPE_OPTIONAL)
			fprintf(out, "%s is set\n", keys[i].name);
		else
			print_value(cfg, &keys[i], "=", out);
	}
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
