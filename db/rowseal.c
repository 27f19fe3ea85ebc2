/* What of a row is encrypted, and what it is bound to. A person's name,
 * metadata and card are one text, a template's numbers another, a crop's pixels
 * a third; ids, groups and
 * times stay readable for SQL, and a person's are part of what the text is
 * bound to, so that they cannot be changed in the file unnoticed. Numbers are
 * little-endian whatever the machine.
 */
#include <math.h>
#include <string.h>

#include "internal.h"
#include "log.h"

static void put_u64(uint8_t *out, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_u64(const uint8_t *in)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v |= (uint64_t)in[i] << (8 * i);
	return v;
}

static void put_float(uint8_t *out, float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof bits);
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(bits >> (8 * i));
}

static float get_float(const uint8_t *in)
{
	uint32_t bits = 0;
	float v;

	for (int i = 0; i < 4; i++)
		bits |= (uint32_t)in[i] << (8 * i);
	memcpy(&v, &bits, sizeof v);
	return v;
}

static void person_place(struct seal_place *place, int64_t version,
			 const struct db_person *p)
{
	seal_place_begin(place, "people", version);
	seal_place_number(place, p->key);
	seal_place_number(place, p->valid_from_ms);
	seal_place_number(place, p->valid_until_ms);
	seal_place_text(place, p->id);
	seal_place_text(place, p->groups);
}

size_t db_encrypt_person(const struct seal *s, const struct db_person *p,
			 uint8_t out[PERSON_SEALED_MAX])
{
	size_t name = strlen(p->name), metadata = strlen(p->metadata);
	uint8_t plain[PERSON_SEALED_MAX - SEAL_OVERHEAD];
	size_t n = PERSON_PLAIN_MIN + name + metadata;
	struct seal_place place;

	put_u64(plain, (uint64_t)p->card.facility);
	put_u64(plain + 8, (uint64_t)p->card.number);
	memcpy(plain + 16, p->name, name + 1);
	memcpy(plain + 16 + name + 1, p->metadata, metadata + 1);
	person_place(&place, seal_newest(s), p);
	seal_encrypt(s, &place, plain, n, out);
	explicit_bzero(plain, sizeof plain);
	return n + SEAL_OVERHEAD;
}

/* Both texts must end where they say: the tag has vouched for the bytes, but
 * the program that wrote them may have been another. */
static bool split_person(const uint8_t *plain, size_t n, struct db_person *p)
{
	const char *name = (const char *)plain + 16, *metadata;
	size_t left = n - 16, length = strnlen(name, left);

	if (length >= sizeof p->name || length == left)
		return false;
	metadata = name + length + 1;
	left -= length + 1;
	if (left == 0 || left > sizeof p->metadata ||
	    strnlen(metadata, left) != left - 1)
		return false;
	memcpy(p->name, name, length + 1);
	memcpy(p->metadata, metadata, left);
	p->card.facility = (int64_t)get_u64(plain);
	p->card.number = (int64_t)get_u64(plain + 8);
	return true;
}

bool db_decrypt_person(const struct seal *s, int64_t version,
		       const void *sealed, size_t n, struct db_person *p)
{
	uint8_t plain[PERSON_SEALED_MAX - SEAL_OVERHEAD];
	struct seal_place place;
	bool ok;

	if (!sealed || n < SEAL_OVERHEAD + PERSON_PLAIN_MIN ||
	    n > PERSON_SEALED_MAX)
		return false;
	person_place(&place, version, p);
	ok = seal_decrypt(s, version, &place, sealed, n, plain) &&
	     split_person(plain, n - SEAL_OVERHEAD, p);
	explicit_bzero(plain, sizeof plain);
	return ok;
}

static void template_place(struct seal_place *place, int64_t version,
			   const struct db_template_row *row)
{
	seal_place_begin(place, "templates", version);
	seal_place_number(place, row->person_key);
	seal_place_number(place, row->id);
	seal_place_text(place, row->model_id);
}

void db_encrypt_template(const struct seal *s,
			 const struct db_template_row *row,
			 const struct face_template *t,
			 uint8_t out[TEMPLATE_SEALED_BYTES])
{
	uint8_t plain[TEMPLATE_SEALED_BYTES - SEAL_OVERHEAD];
	struct seal_place place;

	memcpy(plain, t->v, TEMPLATE_DIM);
	put_float(plain + TEMPLATE_DIM, t->scale);
	put_float(plain + TEMPLATE_DIM + 4, t->length);
	template_place(&place, seal_newest(s), row);
	seal_encrypt(s, &place, plain, sizeof plain, out);
	explicit_bzero(plain, sizeof plain);
}

bool db_decrypt_template(const struct seal *s, int64_t version,
			 const struct db_template_row *row, const void *sealed,
			 size_t n, struct face_template *t)
{
	uint8_t plain[TEMPLATE_SEALED_BYTES - SEAL_OVERHEAD];
	struct seal_place place;
	bool ok;

	if (!sealed || n != TEMPLATE_SEALED_BYTES)
		return false;
	template_place(&place, version, row);
	ok = seal_decrypt(s, version, &place, sealed, n, plain);
	memcpy(t->v, plain, TEMPLATE_DIM);
	t->scale = get_float(plain + TEMPLATE_DIM);
	t->length = get_float(plain + TEMPLATE_DIM + 4);
	explicit_bzero(plain, sizeof plain);
	return ok && isfinite(t->scale) && t->scale > 0 &&
	       isfinite(t->length) && t->length >= 0;
}

static void crop_place(struct seal_place *place, int64_t version,
		       const struct db_crop *row)
{
	seal_place_begin(place, "crops", version);
	seal_place_number(place, row->person_key);
	seal_place_number(place, row->id);
}

void db_encrypt_crop(const struct seal *s, const struct db_crop *row,
		     const uint8_t rgb[FACE_CROP_BYTES],
		     uint8_t out[CROP_SEALED_BYTES])
{
	struct seal_place place;

	crop_place(&place, seal_newest(s), row);
	seal_encrypt(s, &place, rgb, FACE_CROP_BYTES, out);
}

bool db_decrypt_crop(const struct seal *s, int64_t version,
		     const struct db_crop *row, const void *sealed, size_t n,
		     uint8_t rgb[FACE_CROP_BYTES])
{
	struct seal_place place;

	if (!sealed || n != CROP_SEALED_BYTES)
		return false;
	crop_place(&place, version, row);
	return seal_decrypt(s, version, &place, sealed, n, rgb);
}

void db_count_corrupt(struct db *db, const char *table, int64_t row)
{
	atomic_fetch_add(&db->corrupt_rows, 1);
	log_line(LOG_ERROR, "corrupt_row",
		 "table=%s row=%lld text=\"the row was changed or damaged in "
		 "the file; it is not used\"",
		 table, (long long)row);
}

uint64_t db_corrupt_rows(struct db *db)
{
	return atomic_load(&db->corrupt_rows);
}
