/* The body of a request to a daemon, whole before it is sent: what is signed is
 * its bytes. */
#ifndef FACEGATE_CLIENTBODY_H
#define FACEGATE_CLIENTBODY_H

#include "client.h"

struct clientbody {
	char *bytes; /* the caller frees them, in every case */
	size_t size;
	char type[96]; /* the line of Content-Type, "" for no body */
};

/* q's JSON, or its parameters and pictures as a form, or nothing. */
enum status clientbody_make(const struct client_request *q,
			    struct clientbody *out,
			    struct errinfo *err) MUST_CHECK;

#endif
