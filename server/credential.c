#include "credential.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	unsigned facility_bits, number_bits;
	/* How many bits, from each end of the data, each parity is over. */
	unsigned even_bits, odd_bits;
} formats[] = { { "wiegand26", 8, 16, 12, 12 },
		{ "wiegand34", 16, 16, 16, 16 },
		{ "wiegand37", 16, 19, 18, 18 },
		{ "wiegand37n", 0, 35, 18, 18 } };

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

static size_t find(const char *format)
{
	size_t i = 0;

	while (i < FORMATS && strcmp(formats[i].name, format) != 0)
		i++;
	return i;
}

bool credential_known(const char *format)
{
	return find(format) < FORMATS;
}

static uint64_t parity(uint64_t bits)
{
	return (uint64_t)__builtin_parityll(bits);
}

bool credential_encode(const char *format, int64_t facility, int64_t number,
		       unsigned *bits, uint64_t *value)
{
	size_t i = find(format);
	unsigned data_bits;
	uint64_t data, even, odd;

	if (i == FORMATS || number < 0 || number >> formats[i].number_bits != 0)
		return false;
	if (formats[i].facility_bits == 0)
		facility = 0;
	else if (facility < 0 || facility >> formats[i].facility_bits != 0)
		return false;
	data_bits = formats[i].facility_bits + formats[i].number_bits;
	data = (uint64_t)facility << formats[i].number_bits | (uint64_t)number;
	even = parity(data >> (data_bits - formats[i].even_bits));
	odd = 1 ^ parity(data & ((1ULL << formats[i].odd_bits) - 1));
	*bits = data_bits + 2;
	*value = even << (data_bits + 1) | data << 1 | odd;
	return true;
}

void credential_hex(unsigned bits, uint64_t value, char out[17])
{
	unsigned bytes = (bits + 7) / 8;

	(void)snprintf(out, 17, "%0*llx", (int)(2 * bytes),
		       (unsigned long long)(value << (8 * bytes - bits)));
}
