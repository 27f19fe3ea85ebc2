/* One handler a route: reads parameters, calls down, gives the result to
 * reply. See docs/api.md for what each answers. */
#ifndef FACEGATE_HANDLERS_H
#define FACEGATE_HANDLERS_H

#include "request.h"

void handle_metrics(struct request *r, unsigned slot);
void handle_healthz(struct request *r, unsigned slot);
void handle_readyz(struct request *r, unsigned slot);
void handle_openapi(struct request *r, unsigned slot);
void handle_console(struct request *r, unsigned slot);
void handle_version(struct request *r, unsigned slot);
void handle_enroll(struct request *r, unsigned slot);
void handle_verify(struct request *r, unsigned slot);
void handle_identify(struct request *r, unsigned slot);
void handle_compare(struct request *r, unsigned slot);
void handle_detect(struct request *r, unsigned slot);
void handle_people(struct request *r, unsigned slot);
void handle_person(struct request *r, unsigned slot);
void handle_person_delete(struct request *r, unsigned slot);
void handle_person_add(struct request *r, unsigned slot);
void handle_person_patch(struct request *r, unsigned slot);
void handle_templates(struct request *r, unsigned slot);
void handle_template_delete(struct request *r, unsigned slot);
void handle_doors(struct request *r, unsigned slot);
void handle_door(struct request *r, unsigned slot);
void handle_door_put(struct request *r, unsigned slot);
void handle_door_delete(struct request *r, unsigned slot);
void handle_deepstack_register(struct request *r, unsigned slot);
void handle_deepstack_recognize(struct request *r, unsigned slot);
void handle_deepstack_match(struct request *r, unsigned slot);
void handle_deepstack_list(struct request *r, unsigned slot);
void handle_deepstack_delete(struct request *r, unsigned slot);
void handle_logs(struct request *r, unsigned slot);
void handle_log(struct request *r, unsigned slot);
void handle_audit(struct request *r, unsigned slot);

#endif
