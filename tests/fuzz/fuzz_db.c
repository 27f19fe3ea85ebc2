/* libFuzzer entry for a damaged database file. The input is a list of changes
 * to a good one: a place (two bytes, little-endian), a length, and the bytes
 * to put there; a length of 0 cuts the file off at the place. The first byte
 * says how it is opened; its highest bit, that the changes are to a WAL. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit.h"
#include "db.h"
#include "fuzz.h"

#define MODEL "model@0"
#define ROWS  8

static struct {
	uint8_t *file, *wal;
	size_t file_bytes, wal_bytes;
} good;
static struct db_options options;

static const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", fuzz_folder(), name);
	return path;
}

static void write_bytes(const char *name, const uint8_t *bytes, size_t n)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		      0600);

	fuzz_check(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
	close(fd);
}

static uint8_t *read_bytes(const char *name, size_t *n)
{
	int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
	struct stat info;
	uint8_t *bytes;

	fuzz_check(fd >= 0 && fstat(fd, &info) == 0);
	*n = (size_t)info.st_size;
	bytes = malloc(*n + 1);
	fuzz_check(bytes != NULL && read(fd, bytes, *n) == (ssize_t)*n);
	close(fd);
	return bytes;
}

/* A row of each table. */
static void fill(struct db *db)
{
	static const uint8_t crop[FACE_CROP_BYTES];
	struct face_template t = { .scale = 0.01F, .length = 7 };
	const struct db_enrolment e = { .person_id = "anna",
					.name = "Anna",
					.model_id = MODEL,
					.templates = &t,
					.crops = crop,
					.count = 1 };
	const struct db_by by = { "k1", 1700000000000 };
	struct db_person bert = { .id = "bert",
				  .groups = "staff",
				  .metadata = "{}",
				  .card = { 7, 1234 } };
	const struct db_door door = { .id = "north",
				      .target_fmr = NAN,
				      .min_score = 0.5,
				      .windows = "[]",
				      .timezone = "UTC" };
	const struct match_event ev = { .at_ms = 1700000000000,
					.route = "verify",
					.person_id = "anna",
					.door_id = "north",
					.decision = "allow",
					.reason = "match",
					.score = 0.7 };
	int64_t key, ids[1];
	bool made;

	for (int i = 0; i < TEMPLATE_DIM; i++)
		t.v[i] = (int8_t)i;
	fuzz_check(db_enroll(db, &e, &key, ids, NULL) == ST_OK);
	fuzz_check(db_person_add(db, &bert, &by, NULL) == ST_OK);
	fuzz_check(db_door_put(db, &door, &by, &made, NULL) == ST_OK);
	for (int i = 0; i < 3; i++)
		fuzz_check(db_log_add(db, &ev, &key, NULL) == ST_OK);
	fuzz_check(db_sink_put(db, "webhook", 2, NULL) == ST_OK);
}

static void make_good(void)
{
	static const char key[] = "facegate key 1\n3 "
				  "00112233445566778899aabbccddeeff"
				  "00112233445566778899aabbccddeeff\n";
	static char key_path[512];
	struct db *db = NULL;

	write_bytes("facegate.key", (const uint8_t *)key, sizeof(key) - 1);
	snprintf(key_path, sizeof(key_path), "%s", path_of("facegate.key"));
	options = (struct db_options){ .dir = fuzz_folder(),
				       .key_file = key_path,
				       .cache_bytes = 256 * 1024,
				       .heap_bytes = 2 * 1024 * 1024,
				       .log_max_rows = 100,
				       .audit_max_rows = 100,
				       .people_max = 10,
				       .doors_max = 4 };
	fuzz_check(db_open(&options, &db, NULL) == ST_OK);
	fill(db);
	good.wal = read_bytes("facegate.db-wal", &good.wal_bytes);
	db_close(db);
	good.file = read_bytes("facegate.db", &good.file_bytes);
}

/* Puts the input's changes into a copy, which is never made longer. */
static void write_damaged(const char *name, const uint8_t *bytes, size_t n,
			  const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(n + 1);

	fuzz_check(copy != NULL);
	memcpy(copy, bytes, n);
	while (size >= 3 && n > 0) {
		size_t at = (data[0] | (size_t)data[1] << 8) % n;
		size_t length = data[2];

		data += 3;
		size -= 3;
		if (length == 0) {
			n = at;
			continue;
		}
		length = length < size ? length : size;
		length = length < n - at ? length : n - at;
		memcpy(copy + at, data, length);
		data += length;
		size -= length;
	}
	write_bytes(name, copy, n);
	free(copy);
}

static enum status see_template(void *ctx, int64_t person_key,
				int64_t template_id,
				const struct face_template *t)
{
	(void)ctx;
	(void)person_key;
	(void)template_id;
	fuzz_check(isfinite(t->scale) && isfinite(t->length));
	return ST_OK;
}

static void read_all(struct db *db)
{
	static struct db_person people[ROWS];
	static struct db_door doors[ROWS];
	static struct match_event events[ROWS];
	static struct db_audit_row acts[ROWS];
	struct db_audit_report report;
	struct db_template templates[ROWS];
	static uint8_t rgb[FACE_CROP_BYTES];
	struct db_crop crop;
	const struct log_filter any = { .min_score = NAN };
	int64_t keys[ROWS], number;
	bool found;
	size_t n;

	if (db_people_list(db, "", people, ROWS, &n, NULL) == ST_OK)
		for (size_t i = 0; i < n; i++)
			fuzz_check(strlen(people[i].id) <= PERSON_ID_MAX &&
				   strlen(people[i].metadata) <= METADATA_MAX);
	(void)!db_person_get(db, "anna", people, NULL);
	(void)!db_person_by_key(db, 2, people, NULL);
	(void)!db_group_keys(db, "staff", keys, ROWS, &n, NULL);
	(void)!db_templates_list(db, "anna", 0, templates, ROWS, &n, NULL);
	(void)!db_templates_each(db, MODEL, see_template, NULL, NULL);
	(void)!db_templates_of(db, 1, MODEL, see_template, NULL, NULL);
	(void)!db_templates_foreign(db, MODEL, &number, NULL);
	(void)!db_crops_count(db, "other@0", &number, keys, NULL);
	if (db_crop_next(db, "other@0", 0, &crop, rgb, &found, NULL) == ST_OK &&
	    found)
		fuzz_check(rgb[0] == 0 && rgb[FACE_CROP_BYTES - 1] == 0);
	(void)!db_doors_list(db, "", doors, ROWS, &n, NULL);
	(void)!db_door_get(db, "north", doors, NULL);
	if (db_log_list(db, &any, events, ROWS, &n, NULL) == ST_OK)
		for (size_t i = 0; i < n; i++)
			fuzz_check(strlen(events[i].reason) < REASON_MAX);
	(void)!db_log_get(db, 2, events, &found, NULL);
	(void)!db_log_newest(db, &number, NULL);
	(void)!db_sink_get(db, "webhook", &number, &found, NULL);
	(void)!db_key_versions(db, &number, keys, NULL);
	(void)!db_audit_list(db, 0, acts, ROWS, &n, NULL);
	(void)!db_audit_verify(db, NULL, &report, NULL);
}

static void change_all(struct db *db)
{
	struct face_template t = { .scale = 0.01F, .length = 7 };
	const struct db_enrolment e = { .person_id = "anna",
					.replace = true,
					.model_id = MODEL,
					.templates = &t,
					.count = 1 };
	struct db_person bert = { .id = "bert", .metadata = "{}" };
	const struct match_event ev = { .route = "identify" };
	const struct db_by by = { NULL, 1 };
	const struct db_crop crop = { 1, 1 };
	int64_t key, id;
	bool more;

	(void)!db_log_add(db, &ev, &id, NULL);
	(void)!db_crop_embedded(db, &crop, "other@0", &t, 50, 1, &id, NULL);
	(void)!db_sink_put(db, "webhook", 3, NULL);
	(void)!db_person_set(db, &bert, &by, NULL);
	(void)!db_enroll(db, &e, &key, &id, NULL);
	(void)!db_person_delete(db, "bert", &by, &key, NULL);
	(void)!db_door_delete(db, "north", &by, NULL);
	(void)!db_reseal(db, &more, NULL);
	(void)!db_crops_erase(db, &by, &more, NULL);
	(void)!db_writable(db, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct db *db = NULL;
	struct errinfo err;
	unsigned how;
	enum status st;

	if (good.file == NULL)
		make_good();
	if (size == 0)
		return 0;
	how = data[0] % 3;
	unlink(path_of("facegate.db-shm"));
	unlink(path_of("facegate.db-wal"));
	if (data[0] & 128) {
		write_bytes("facegate.db", good.file, good.file_bytes);
		write_damaged("facegate.db-wal", good.wal, good.wal_bytes,
			      data + 1, size - 1);
	} else {
		write_damaged("facegate.db", good.file, good.file_bytes,
			      data + 1, size - 1);
	}
	err_clear(&err);
	st = how == 0	? db_open(&options, &db, &err)
	     : how == 1 ? db_open_readonly(&options, &db, &err)
			: db_open_or_restore(&options, &db, &err);
	fuzz_check((st == ST_OK) == (db != NULL) && st != ST_INTERNAL);
	if (st == ST_OK) {
		read_all(db);
		if (how != 1)
			change_all(db);
	} else {
		fuzz_check(err.status == st && err.text[0] != '\0');
	}
	db_close(db);
	return 0;
}
