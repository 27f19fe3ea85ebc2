/* Status codes and error details, shared by every floor.
 *
 * A function that can fail returns enum status and is marked MUST_CHECK. The
 * details of the first failure go to a caller-owned struct errinfo, which may
 * be NULL. Nothing here allocates; everything is safe from any thread.
 */
#ifndef FACEGATE_STATUS_H
#define FACEGATE_STATUS_H

#include <stdint.h>

#define MUST_CHECK	       __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* X(NAME, "stable_code", "Short title"). The code is part of the HTTP API:
 * never rename one. */
#define STATUS_LIST(X)                                                         \
	X(OK, "ok", "OK")                                                      \
	X(END, "end", "No more data")                                          \
	/* what a client sent */                                               \
	X(BAD_REQUEST, "bad_request", "Request is not valid")                  \
	X(UNKNOWN_PARAMETER, "unknown_parameter", "Unknown parameter")         \
	X(BAD_JSON, "bad_json", "Body is not valid JSON")                      \
	X(NO_SUCH_ROUTE, "no_such_route", "No such route")                     \
	X(METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed")      \
	X(NOT_IMPLEMENTED, "not_implemented", "Not implemented")               \
	X(LENGTH_REQUIRED, "length_required", "Content-Length required")       \
	X(BODY_TOO_LARGE, "body_too_large", "Body too large")                  \
	X(URI_TOO_LONG, "uri_too_long", "Address too long")                    \
	X(EXPECTATION_FAILED, "expectation_failed", "Expectation failed")      \
	X(TIMEOUT, "timeout", "Request took too long to arrive")               \
	X(NOT_JSON, "not_json", "Not JSON")                                    \
	X(NOT_A_JPEG, "not_a_jpeg", "Not a JPEG picture")                      \
	X(UNSUPPORTED_JPEG, "unsupported_jpeg", "JPEG feature not supported")  \
	X(CORRUPT_JPEG, "corrupt_jpeg", "JPEG data is damaged")                \
	X(PICTURE_TOO_LARGE, "picture_too_large", "Picture too large")         \
	X(NO_FACE, "no_face", "No face found")                                 \
	X(SEVERAL_FACES, "several_faces", "More than one face")                \
	X(FACE_TOO_SMALL, "face_too_small", "Face too small")                  \
	X(LOW_QUALITY, "low_quality", "Picture quality too low")               \
	X(NO_KEY, "no_key", "No valid key")                                    \
	X(BAD_SIGNATURE, "bad_signature", "Signature does not fit")            \
	X(STALE_REQUEST, "stale_request", "Signature is too old")              \
	X(REPLAYED_REQUEST, "replayed_request", "Request was sent before")     \
	X(WRONG_ROLE, "wrong_role", "Key has another role")                    \
	X(LOCKED_OUT, "locked_out", "Too many wrong keys")                     \
	X(NO_SUCH_PERSON, "no_such_person", "No such person")                  \
	X(NO_SUCH_TEMPLATE, "no_such_template", "No such template")            \
	X(NO_SUCH_DOOR, "no_such_door", "No such door")                        \
	X(PERSON_EXISTS, "person_exists", "Person exists already")             \
	X(DUPLICATE_FACE, "duplicate_face", "Face is enrolled already")        \
	X(CHANGED_MEANWHILE, "changed_meanwhile", "Changed since it was read") \
	/* what the machine could not do */                                    \
	X(BUSY, "busy", "All workers are busy")                                \
	X(NOT_READY, "not_ready", "Not ready")                                 \
	X(VERIFY_ONLY, "verify_only", "Damaged database: verify only")         \
	X(GALLERY_FULL, "gallery_full", "Gallery is full")                     \
	X(STORE_FULL, "store_full", "No room for more")                        \
	X(DISK_FULL, "disk_full", "Disk is full")                              \
	X(NO_MEMORY, "no_memory", "Out of memory")                             \
	X(POOL_TOO_SMALL, "pool_too_small", "Memory pool too small")           \
	X(IO_ERROR, "io_error", "Input or output failed")                      \
	X(BAD_CONFIG, "bad_config", "Configuration is not valid")              \
	X(BAD_MODEL, "bad_model", "Model file is not valid")                   \
	X(BAD_DATABASE, "bad_database", "Database is damaged or foreign")      \
	X(BAD_KEY_FILE, "bad_key_file", "Key file is missing or wrong")        \
	X(BAD_EXPORT, "bad_export", "Export is damaged or foreign")            \
	X(DATABASE_BUSY, "database_busy", "Database is locked")                \
	X(CLIENT_GONE, "client_gone", "Client closed the connection")          \
	X(INTERNAL, "internal", "Internal error")

enum status {
#define X(name, code, title) ST_##name,
	STATUS_LIST(X)
#undef X
		STATUS_COUNT
};

/* Stable lower-case code ("no_face") and short title; never NULL. */
const char *status_code(enum status st);
const char *status_title(enum status st);

#define ERR_NO_NUMBER INT64_MIN

struct errinfo {
	enum status status; /* ST_OK while nothing failed */
	char text[192]; /* one sentence for a person; no path, SQL or template
			 */
	int64_t limit;	/* the limit that was hit, or ERR_NO_NUMBER */
	int64_t found;	/* what was found instead, or ERR_NO_NUMBER */
};

void err_clear(struct errinfo *err);

/* Records the first failure only, then returns st, so that a function can
 * say: return err_set(err, ST_X, "...", ...). err may be NULL. */
enum status err_set(struct errinfo *err, enum status st, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* The same with the limit and the value found, for machine-readable replies. */
enum status err_limit(struct errinfo *err, enum status st, int64_t limit,
		      int64_t found, const char *fmt, ...) PRINTF_LIKE(5, 6);

#if defined(__clang_analyzer__) || defined(FACEGATE_ANALYSIS)
/* Analysers see one file at a time, and not that these return st. */
#define err_set(err, st, ...)	((void)err_set(err, st, __VA_ARGS__), (st))
#define err_limit(err, st, ...) ((void)err_limit(err, st, __VA_ARGS__), (st))
#endif

#endif
