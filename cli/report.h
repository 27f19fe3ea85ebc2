/* The report of an enrolment of many people: a JSON object a line, written as
 * it happens and read again by the next run. One thread. */
#ifndef FACEGATE_REPORT_H
#define FACEGATE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

struct report;

#define REPORT_DEFAULT "facegate-enroll.ndjson"

/* Reads what is there and opens it for more. server is who is asked, as its
 * lines name it. path may be NULL; both must outlive the report. report_close
 * takes NULL. */
enum status report_open(struct report **out, const char *path,
			const char *server, struct errinfo *err) MUST_CHECK;
void report_close(struct report *r);
const char *report_path(const struct report *r);

/* Whether an earlier run enrolled the picture for the person at the server.
 * template_id is then the number of what it made there, or 0 in lines of
 * earlier builds, which name neither number nor server and hold for any. */
bool report_done(const struct report *r, const char *person,
		 const char *picture, int64_t *template_id);
/* ST_OK is written as "enrolled", anything else as its code. template_id is 0
 * for what made none. */
enum status report_write(struct report *r, const char *person,
			 const char *picture, enum status result,
			 int64_t template_id, struct errinfo *err) MUST_CHECK;

#endif
