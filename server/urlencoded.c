#include "urlencoded.h"

#include <ctype.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <string.h>

/* Undoes the escapes in place. False for one that is not whole, or a NUL. */
static bool unescape(char *s)
{
	for (char *c = s; *c != '\0'; c++) {
		if (*c == '+')
			*c = ' ';
		if (*c == '%' && (!isxdigit((unsigned char)c[1]) ||
				  !isxdigit((unsigned char)c[2]) ||
				  (c[1] == '0' && c[2] == '0')))
			return false;
	}
	(void)MHD_http_unescape(s);
	return true;
}

void urlencoded_finish(struct body *b)
{
	char text[UPLOAD_TEXT_BYTES + 1];
	char *rest = text;
	size_t n;
	const char *collected = paramstore_collected(&b->params, &n);

	memcpy(text, collected, n);
	text[n] = '\0';
	paramstore_drop_collected(&b->params);
	if (strlen(text) != n)
		(void)err_set(&b->err, ST_BAD_REQUEST,
			      "The form contains a NUL.");
	while (b->err.status == ST_OK && rest != NULL && *rest != '\0') {
		char *name = strsep(&rest, "&");
		char *value = name + strcspn(name, "=");
		enum status st = ST_BAD_REQUEST;

		if (*value != '\0')
			*value++ = '\0';
		if (unescape(name) && unescape(value))
			st = paramstore_add(&b->params, name, value,
					    strlen(value), &b->err);
		if (st != ST_OK) /* said by paramstore, or here */
			(void)err_set(&b->err, st,
				      "The form has a damaged escape.");
	}
}
