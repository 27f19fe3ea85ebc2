/* libFuzzer entry for the small parsers, each of which reads one value. The
 * first byte chooses the parser. What is read must also mean what was written:
 * printed and read again it is the same. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "credential.h"
#include "db.h"
#include "doorrule.h"
#include "fuzz.h"
#include "guard.h"
#include "image/exif.h"
#include "internal.h"
#include "mimehead.h"
#include "seal.h"
#include "timetext.h"
#include "tzrule.h"

static void exif(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1); /* its end is watched */
	unsigned turned;

	fuzz_check(copy != NULL);
	memcpy(copy + 1, data, size);
	turned = exif_orientation(copy + 1, size);
	free(copy);
	fuzz_check(turned >= 1 && turned <= 8);
}

static void times(const char *text)
{
	char again[TIMETEXT_BYTES];
	int64_t ms, same;

	if (!timetext_parse(text, &ms))
		return;
	fuzz_check(ms >= 0);
	timetext_print(ms, again);
	/* Four digits a year: what was a number may be beyond. */
	if (ms < 253402300800000)
		fuzz_check(timetext_parse(again, &same) && same == ms);
}

static void zones(const char *text)
{
	struct tzrule rule;

	if (!tzrule_load(text, &rule))
		return;
	for (int64_t s = 0; s < 4102444800; s += 23456789) {
		int offset = tzrule_offset(&rule, s);

		fuzz_check(offset == rule.std_s || offset == rule.dst_s);
		fuzz_check(abs(offset) < 26 * 3600);
	}
}

/* The zone, a line feed, the windows. */
static void windows(const char *text)
{
	const char *list = strchr(text, '\n');
	struct db_door door = { .id = "north" };
	json_t *o;

	if (list == NULL || (size_t)(list - text) >= sizeof(door.timezone) ||
	    strlen(list + 1) >= sizeof(door.windows))
		return;
	memcpy(door.timezone, text, (size_t)(list - text));
	strncpy(door.windows, list + 1, sizeof(door.windows) - 1);
	o = json_loads(door.windows, 0, NULL);
	if (doorrule_windows_fault(o) == NULL)
		for (int64_t hour = 0; hour < 200; hour++)
			doorrule_open(&door, hour * 3600000);
	else
		/* Closed, but for those that a broken list leaves open. */
		doorrule_open(&door, 1700000000000);
	json_decref(o);
}

static void credential(const uint8_t *data, size_t size)
{
	static const char *const formats[] = { "wiegand26", "wiegand34",
					       "wiegand37", "wiegand37n" };
	int64_t facility, number;
	unsigned bits;
	uint64_t value;
	char hex[17];

	if (size < 17)
		return;
	memcpy(&facility, data + 1, 8);
	memcpy(&number, data + 9, 8);
	if (!credential_encode(formats[data[0] % 4], facility, number, &bits,
			       &value))
		return;
	fuzz_check(number >= 0 && bits >= 26 && bits <= 37);
	fuzz_check(value >> bits == 0);
	/* An even half and an odd one; with 37 bits the middle is in both. */
	fuzz_check(__builtin_parityll(value >> (bits / 2)) == 0);
	fuzz_check(__builtin_parityll(value & ((1ULL << (bits + 1) / 2) - 1)) ==
		   1);
	credential_hex(bits, value, hex);
	fuzz_check(strlen(hex) == 2 * ((bits + 7) / 8));
}

/* In one piece and byte by byte. */
static void base64(const uint8_t *data, size_t size)
{
	uint8_t *whole = malloc(size + 1), *pieces = malloc(size + 1);
	size_t made = 0, sum = 0, taken = 0, one;
	struct base64 a, b;

	fuzz_check(whole != NULL && pieces != NULL);
	base64_init(&a);
	base64_init(&b);
	one = base64_run(&a, data, size, whole, &made);
	fuzz_check(one <= size && made <= one);
	while (taken < size) {
		size_t n;

		if (base64_run(&b, data + taken, 1, pieces + sum, &n) == 0)
			break;
		sum += n;
		taken++;
	}
	fuzz_check(taken == one && sum == made);
	fuzz_check(memcmp(whole, pieces, made) == 0);
	fuzz_check(base64_complete(&a) == base64_complete(&b));
	free(whole);
	free(pieces);
}

static void mime(const char *text)
{
	const char *p = text;
	struct mime_param param;
	double wish = mime_accepts(text, "text/csv");

	fuzz_check(wish >= 0 && wish <= 1);
	mime_word_is(&p, "multipart/form-data");
	while (mime_next_param(&p, &param) == MIME_PARAM)
		fuzz_check(p <= text + strlen(text) &&
			   strlen(param.name) < MIME_NAME_BYTES);
}

static const struct seal *keyring(void)
{
	static const char file[] = "facegate key 1\n3 "
				   "00112233445566778899aabbccddeeff"
				   "00112233445566778899aabbccddeeff\n";
	static struct seal *seal;

	if (seal == NULL)
		fuzz_check(seal_load(fuzz_file((const uint8_t *)file,
					       sizeof(file) - 1),
				     false, &seal, NULL) == ST_OK);
	return seal;
}

/* The bytes as the encrypted part of a person's row: as it was stored, and as
 * what a key that fits gives. */
static void sealed_person(const uint8_t *data, size_t size)
{
	uint8_t sealed[PERSON_SEALED_MAX], again[PERSON_SEALED_MAX];
	struct db_person p = { .key = 7, .id = "anna", .groups = "staff" };
	struct db_person q = p;
	struct seal_place place;

	fuzz_check(!db_decrypt_person(keyring(), 3, data, size, &p));
	if (size + SEAL_OVERHEAD > sizeof(sealed))
		return;
	seal_place_begin(&place, "people", 3);
	seal_place_number(&place, p.key);
	seal_place_number(&place, p.valid_from_ms);
	seal_place_number(&place, p.valid_until_ms);
	seal_place_text(&place, p.id);
	seal_place_text(&place, p.groups);
	seal_encrypt(keyring(), &place, data, size, sealed);
	if (!db_decrypt_person(keyring(), 3, sealed, size + SEAL_OVERHEAD, &p))
		return;
	fuzz_check(db_encrypt_person(keyring(), &p, again) ==
		   size + SEAL_OVERHEAD);
	fuzz_check(db_decrypt_person(keyring(), 3, again, size + SEAL_OVERHEAD,
				     &q));
	fuzz_check(strcmp(p.name, q.name) == 0 &&
		   strcmp(p.metadata, q.metadata) == 0 &&
		   p.card.facility == q.card.facility &&
		   p.card.number == q.card.number);
}

static void sealed_template(const uint8_t *data, size_t size)
{
	const struct db_template_row row = { 7, 9, "model@0" };
	uint8_t sealed[TEMPLATE_SEALED_BYTES];
	struct face_template t, u;
	struct seal_place place;

	fuzz_check(!db_decrypt_template(keyring(), 3, &row, data, size, &t));
	if (size != TEMPLATE_SEALED_BYTES - SEAL_OVERHEAD)
		return;
	seal_place_begin(&place, "templates", 3);
	seal_place_number(&place, row.person_key);
	seal_place_number(&place, row.id);
	seal_place_text(&place, row.model_id);
	seal_encrypt(keyring(), &place, data, size, sealed);
	if (!db_decrypt_template(keyring(), 3, &row, sealed, sizeof(sealed),
				 &t))
		return;
	fuzz_check(isfinite(t.scale) && t.scale > 0 && isfinite(t.length));
	db_encrypt_template(keyring(), &row, &t, sealed);
	fuzz_check(db_decrypt_template(keyring(), 3, &row, sealed,
				       sizeof(sealed), &u));
	fuzz_check(memcmp(&t, &u, sizeof(t)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0 || size > 4096)
		return 0;
	text = fuzz_text(data + 1, size - 1);
	switch (data[0] % 10) {
	case 0:
		exif(data + 1, size - 1);
		break;
	case 1:
		times(text);
		break;
	case 2:
		zones(text);
		break;
	case 3:
		windows(text);
		break;
	case 4:
		credential(data + 1, size - 1);
		break;
	case 5:
		base64(data + 1, size - 1);
		break;
	case 6:
		mime(text);
		break;
	case 7:
		if (guard_uri(text) == ST_OK)
			fuzz_check(strlen(text) <= 4096);
		break;
	case 8:
		sealed_person(data + 1, size - 1);
		break;
	default:
		sealed_template(data + 1, size - 1);
	}
	free(text);
	return 0;
}
