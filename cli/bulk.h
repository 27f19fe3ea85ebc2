/* Enrolment of many people from files, one picture a request, so that a bad
 * one keeps no other out. What became of each picture goes into a report as it
 * happens; whoever runs the same again goes on where the report ends.
 */
#ifndef FACEGATE_BULK_H
#define FACEGATE_BULK_H

#include "cli.h"

struct bulk_item {
	char *person, *name; /* name NULL: not told */
	char *picture;	     /* a path */
};

struct bulk_plan {
	struct bulk_item *items;
	size_t count, room;
};

/* Copies its arguments. name may be NULL. */
enum status bulk_add(struct bulk_plan *plan, const char *person,
		     const char *name, const char *picture,
		     struct errinfo *err) MUST_CHECK;
void bulk_free(struct bulk_plan *plan);

/* A folder a person, or pictures named by person, or both; sorted by path. */
enum status bulkplan_folder(struct bulk_plan *plan, const char *folder,
			    struct errinfo *err) MUST_CHECK;
/* Lines person,name,file,... ; files are relative to the CSV's folder. */
enum status bulkplan_csv(struct bulk_plan *plan, const char *path,
			 struct errinfo *err) MUST_CHECK;

/* Whether the picture is to blame: another one of the person may do. */
bool bulk_refused(enum status st);

int bulk_run(const struct cli *cli, struct errinfo *err);

#endif
