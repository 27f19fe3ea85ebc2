/* The parameters of one request in one fixed text buffer. A parameter is added
 * whole, or opened, appended to and closed as its bytes arrive; and the free
 * rest of the buffer can hold other text for a while. Names are 1 to
 * PARAM_NAME_MAX bytes of printable UTF-8, values up to PARAM_VALUE_MAX bytes
 * of UTF-8 without NUL; everything else, a name given twice included, is
 * ST_BAD_REQUEST. Where the names that may come are known, another is
 * ST_UNKNOWN_PARAMETER, whatever its value. No heap; one thread at a time. */
#ifndef FACEGATE_PARAMSTORE_H
#define FACEGATE_PARAMSTORE_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"
#include "upload.h"

#define PARAM_NAME_MAX	64
#define PARAM_VALUE_MAX 4096

struct paramstore {
	size_t used;  /* bytes of finished parameters */
	size_t extra; /* bytes after them that are being collected */
	size_t count;
	const char *const *names; /* that may come, NULL at the end; or NULL:
				   * any */
	uint16_t name[UPLOAD_PARAMS_MAX]; /* places in text */
	uint16_t value[UPLOAD_PARAMS_MAX];
	char text[UPLOAD_TEXT_BYTES];
};

void paramstore_reset(struct paramstore *p); /* any name may come */

/* ST_UNKNOWN_PARAMETER unless a parameter of this name of len bytes may come.
 */
enum status paramstore_check_name(const struct paramstore *p, const char *name,
				  size_t len, struct errinfo *err) MUST_CHECK;

enum status paramstore_add(struct paramstore *p, const char *name,
			   const char *value, size_t value_len,
			   struct errinfo *err) MUST_CHECK;

/* The same in steps; nothing may come between them. */
enum status paramstore_open(struct paramstore *p, const char *name,
			    struct errinfo *err) MUST_CHECK;
enum status paramstore_append(struct paramstore *p, const void *data, size_t n,
			      struct errinfo *err) MUST_CHECK;
enum status paramstore_close(struct paramstore *p,
			     struct errinfo *err) MUST_CHECK;

/* Text that is no parameter yet: collected behind the parameters, looked at,
 * and dropped again before the next parameter is added. */
enum status paramstore_collect(struct paramstore *p, const void *data, size_t n,
			       struct errinfo *err) MUST_CHECK;
const char *paramstore_collected(const struct paramstore *p, size_t *n);
void paramstore_drop_collected(struct paramstore *p);

const char *paramstore_find(const struct paramstore *p, const char *name);

#endif
