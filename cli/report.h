/* The report of an enrolment of many people: a JSON object a line, written as
 * it happens and read again by the next run. One thread. */
#ifndef FACEGATE_REPORT_H
#define FACEGATE_REPORT_H

#include <stdbool.h>

#include "status.h"

struct report;

#define REPORT_DEFAULT "facegate-enroll.ndjson"

/* Reads what is there and opens it for more. path may be NULL; it must outlive
 * the report. report_close takes NULL. */
enum status report_open(struct report **out, const char *path,
			struct errinfo *err) MUST_CHECK;
void report_close(struct report *r);
const char *report_path(const struct report *r);

/* Whether an earlier run enrolled the picture for the person. */
bool report_done(const struct report *r, const char *person,
		 const char *picture);
/* ST_OK is written as "enrolled", anything else as its code. */
enum status report_write(struct report *r, const char *person,
			 const char *picture, enum status result,
			 struct errinfo *err) MUST_CHECK;

#endif
