/* The number of an access card as the bits that a reader would send for it, so
 * that a door's controller can replay them to the panel behind it. */
#ifndef FACEGATE_CREDENTIAL_H
#define FACEGATE_CREDENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#define CARD_FACILITY_MAX 65535
#define CARD_NUMBER_MAX	  ((int64_t)34359738367) /* 35 bits */

/* Formats: wiegand26 (H10301: 8 and 16 bits), wiegand34 (16 and 16), wiegand37
 * (H10304: 16 and 19), wiegand37n (H10302: no facility, 35 bits). Each is led
 * by an even parity bit over the first half and ended by an odd one over the
 * second. */
bool credential_known(const char *format);

/* Sets *bits and their value, the first bit sent the most significant. False
 * when the card does not fit the format. facility is -1 for none. */
bool credential_encode(const char *format, int64_t facility, int64_t number,
		       unsigned *bits, uint64_t *value);

/* The bits as hexadecimal bytes, the first bit the highest of the first byte
 * and zeros behind the last: the data of an OSDP raw card read. */
void credential_hex(unsigned bits, uint64_t value, char out[17]);

#endif
