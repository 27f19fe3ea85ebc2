#include "base64.h"

/* Places in a group beyond 0 to 3. */
enum { ONE_PAD_DUE = 4, CLOSED = 5 };

static int value_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

void base64_init(struct base64 *b)
{
	b->bits = 0;
	b->place = 0;
}

static bool take_pad(struct base64 *b)
{
	/* Two characters carry 4 bits too many, three carry 2. */
	if (b->place == 2 && (b->bits & 0xf) == 0)
		b->place = ONE_PAD_DUE;
	else if (b->place == 3 && (b->bits & 0x3) == 0)
		b->place = CLOSED;
	else if (b->place == ONE_PAD_DUE)
		b->place = CLOSED;
	else
		return false;
	return true;
}

size_t base64_run(struct base64 *b, const uint8_t *in, size_t n, uint8_t *out,
		  size_t *made)
{
	size_t i, o = 0;

	for (i = 0; i < n; i++) {
		int v = value_of(in[i]);

		if (v < 0) {
			if (in[i] != '=' || !take_pad(b))
				break;
			continue;
		}
		if (b->place >= ONE_PAD_DUE)
			break;
		b->bits = b->bits << 6 | (uint32_t)v;
		if (b->place > 0)
			out[o++] = (uint8_t)(b->bits >> (6 - 2 * b->place));
		b->place = (b->place + 1) & 3;
	}
	*made = o;
	return i;
}

bool base64_complete(const struct base64 *b)
{
	return b->place == 0 || b->place == CLOSED;
}
