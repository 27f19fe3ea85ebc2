/* What the parsers of a body write into: pictures, parameters, and the first
 * error. A parser takes bytes until it has none left, an error is set, or a
 * picture byte would find less than BODY_SLACK room in the ring; it returns
 * how many it took. Where the bytes are cut never changes what comes out. */
#ifndef FACEGATE_BODY_H
#define FACEGATE_BODY_H

#include "paramstore.h"
#include "picring.h"
#include "status.h"

/* No parser writes more picture bytes than this for one byte it takes. */
#define BODY_SLACK UPLOAD_SLACK_BYTES

struct body {
	struct errinfo err;
	struct paramstore params;
	struct picring pictures;
};

#endif
