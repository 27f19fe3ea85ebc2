/* Configuration: one table of keys (name, type, limits, default, help) read
 * from a file, then FACEGATE_<KEY> in the environment, then --key=value.
 *
 * File syntax: `key = value` lines, `#` comments. An unknown key, a value out
 * of its limits or one that cannot take effect is an error that names it.
 */
#ifndef FACEGATE_CONFIG_H
#define FACEGATE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "status.h"

#define CFG_TEXT_MAX 256

struct config {
	char listen[CFG_TEXT_MAX];	  /* address:port; port 0 picks one */
	char tls_cert[CFG_TEXT_MAX];	  /* PEM; "": plain HTTP */
	char tls_key[CFG_TEXT_MAX];	  /* PEM; see secret.h */
	char tls_client_ca[CFG_TEXT_MAX]; /* PEM; "": none is asked for */
	bool tls_client_required;	  /* default false */
	char data_dir[CFG_TEXT_MAX];	  /* database lives here */
	char key_file[CFG_TEXT_MAX];	  /* auto, or the path of the keys that
					     rows are encrypted with */
	char template_key_file[CFG_TEXT_MAX]; /* "": none; see secret.h */
	char models_dir[CFG_TEXT_MAX];	      /* mtcnn.fgm, embedder-*.fgm */
	char embedder[CFG_TEXT_MAX];  /* accurate: embedder-accurate.fgm */
	char log_level[CFG_TEXT_MAX]; /* error, warn, info, debug */
	int64_t workers;	      /* 1 .. 16, default 2 */
	int64_t pool_kib;      /* per worker, 256 .. 65536, default 2048 */
	int64_t queue_max;     /* waiting requests, 0 .. 64, default 8 */
	int64_t gallery_max;   /* templates, 1 .. 1000000, default 10000 */
	int64_t body_max_kib;  /* request body, 16 .. 65536, default 16384 */
	int64_t deepstack_kib; /* form's body, 0 .. 16384; 0: no such routes */
	int64_t jpeg_max_width_px;   /* 16 .. 65500, default 8192 */
	int64_t jpeg_max_megapixels; /* 1 .. 400, default 50 */
	int64_t jpeg_max_scans;	     /* 1 .. 1000, default 64 */
	bool jpeg_strict;	     /* default false */
	bool picture_planes;	     /* default false */
	int64_t min_face_px;	     /* 12 .. 1000; 0: by picture */
	bool early_exit;	     /* default false */
	int64_t min_inter_eye_px; /* full-size pixels, 0 .. 1000, default 16 */
	int64_t quality_min;	  /* percent, 0 .. 50, default 3 */
	int64_t enrol_sharpness_min, enrol_exposure_min; /* 0 .. 100 */
	int64_t enrol_yaw_max, enrol_roll_max;		 /* degrees */
	bool keep_crops;				 /* default false */
	double target_fmr;	    /* 1e-6 .. 1e-2, default 1e-4 */
	int64_t connections_max;    /* 4 .. 1024, default 64 */
	int64_t connections_per_ip; /* 1 .. 1024; 0, default: 3/4 of max */
	int64_t people_max;	    /* 1 .. 1000000, default 10000 */
	int64_t doors_max;	    /* 0 .. 1000, default 64 */
	int64_t keys_max;	    /* 1 .. 1024, default 64 */
	bool console;		    /* default true */
	bool first_key;		    /* default false */
	int64_t signature_window_s; /* 1 .. 300, default 30 */
	int64_t lockout_failures;   /* 1 .. 1000, default 10 */
	int64_t lockout_s;	    /* 1 .. 86400, default 60 */
	int64_t request_timeout_ms; /* absolute, 500 .. 600000, default 15000 */
	int64_t db_cache_kib; /* SQLite page cache, 64 .. 65536, default 128 */
	int64_t log_max_rows; /* match log ring, 100 .. 100000000, default
				 100000 */
	int64_t log_days;     /* 0: no limit .. 3650, default 0 */
	int64_t audit_max_rows;		/* 100 .. 10000000, default 20000 */
	char backup_file[CFG_TEXT_MAX]; /* auto, a path, or "" for none */
	int64_t backup_minutes;		/* 1 .. 10080, default 60 */
	int64_t event_ttl_s;		/* 1 .. 300, default 10 */
	int64_t events_max;		/* 1 .. 100000, default 1000 */
	int64_t event_timeout_ms;	/* 100 .. 60000, default 5000 */
	char webhook_url[CFG_TEXT_MAX]; /* "": no webhook */
	char webhook_secret_file[CFG_TEXT_MAX]; /* see secret.h */
	char webhook_ca_file[CFG_TEXT_MAX];	/* "": the system's */
	char mqtt_host[CFG_TEXT_MAX];		/* "": no broker */
	int64_t mqtt_port;			/* 1 .. 65535, default 1883 */
	char mqtt_topic[CFG_TEXT_MAX];		/* default facegate */
	bool mqtt_tls;				/* default false */
	char mqtt_ca_file[CFG_TEXT_MAX];	/* "": the system's */
	char mqtt_user[CFG_TEXT_MAX];		/* "": none */
	char mqtt_password_file[CFG_TEXT_MAX];	/* see secret.h */
};

void cfg_defaults(struct config *cfg);

/* Each leaves cfg partly changed on error. cfg_read_env ignores FACEGATE_ISA,
 * FACEGATE_CONFIG and what is the tool's alone, FACEGATE_SERVER and
 * FACEGATE_KEY; it refuses any other FACEGATE_ name it does not know.
 */
enum status cfg_read_file(struct config *cfg, const char *path,
			  struct errinfo *err) MUST_CHECK;
enum status cfg_read_env(struct config *cfg, char *const *environ_list,
			 struct errinfo *err) MUST_CHECK;
enum status cfg_set(struct config *cfg, const char *key, const char *value,
		    struct errinfo *err) MUST_CHECK;

/* Checks what one key alone cannot: combinations that cannot take effect. */
enum status cfg_check(const struct config *cfg, struct errinfo *err) MUST_CHECK;

/* Whether the files are there that have paths; not those by the names of
 * systemd's credentials, which only the service sees. ST_BAD_CONFIG. */
enum status cfg_check_files(const struct config *cfg,
			    struct errinfo *err) MUST_CHECK;

/* Writes every key with its value (cfg_print) or the commented sample that
 * config/facegate.conf is (cfg_print_sample). */
void cfg_print(const struct config *cfg, FILE *out);
void cfg_print_sample(FILE *out);
/* The keys that have not their default, a line "key=value" each; of texts that
 * may be empty, which hold names of people's machines and secrets' files, only
 * that they are set. */
void cfg_print_changes(const struct config *cfg, FILE *out);
bool cfg_is_key(const char *name);

#endif
