#include "counters.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router.h"
#include "srv.h"
#include "tls.h"

static const int statuses[COUNTERS_STATUSES] = { 200, 201, 204, 304, 400, 401,
						 403, 404, 405, 408, 409, 411,
						 413, 414, 415, 417, 422, 429,
						 500, 501, 503, 507 };
static const char *const stages[STAGE_COUNT] = { "decode", "detect", "align",
						 "embed",  "match",  "total" };
/* Upper ends in milliseconds; the last bucket has none. */
static const unsigned ends_ms[COUNTERS_BUCKETS - 1] = {
	1, 2, 5, 10, 20, 50, 100, 200, 500, 1000
};

static void count_stage(struct counters *m, enum counters_stage s, uint64_t us)
{
	size_t i = 0;

	while (i < COUNTERS_BUCKETS - 1 && us > 1000u * ends_ms[i])
		i++;
	m->stages[s].buckets[i]++;
	m->stages[s].count++;
	m->stages[s].sum_us += us;
}

/* Words are literals of few places, so that their number is bounded; a table
 * that is full all the same counts no more of them. */
static void count_decision(struct counters *m, const char *route,
			   const struct counters_work *w)
{
	for (size_t i = 0; i < 3 * COUNTERS_REASONS; i++) {
		if (m->decisions[i].count > 0 &&
		    (strcmp(m->decisions[i].route, route) != 0 ||
		     strcmp(m->decisions[i].decision, w->decision) != 0 ||
		     strcmp(m->decisions[i].reason, w->reason) != 0))
			continue;
		m->decisions[i].route = route;
		m->decisions[i].decision = w->decision;
		m->decisions[i].reason = w->reason;
		m->decisions[i].count++;
		return;
	}
}

void counters_count(struct counters *m, const struct request *r)
{
	const struct counters_work *w = &r->work;
	size_t route = r->route ? router_index(r->route) : COUNTERS_ROUTES;
	size_t i = 0;

	while (i < COUNTERS_STATUSES && statuses[i] != r->http_status)
		i++;
	if (i < COUNTERS_STATUSES)
		m->requests[route][i]++;
	if (r->problem != ST_OK)
		m->problems[r->problem]++;
	if (w->decision != NULL && r->route != NULL)
		count_decision(m, r->route->path, w);
	if (!w->pictures)
		return;
	for (int s = 0; s < STAGE_COUNT; s++)
		if (s != STAGE_MATCH || w->decision != NULL)
			count_stage(m, (enum counters_stage)s, w->us[s]);
	if (w->pool_peak_bytes > m->pool_peak_bytes)
		m->pool_peak_bytes = w->pool_peak_bytes;
}

static void head(FILE *out, const char *name, const char *type,
		 const char *help)
{
	fprintf(out, "# HELP facegate_%s %s\n# TYPE facegate_%s %s\n", name,
		help, name, type);
}

static void gauge(FILE *out, const char *name, double value, const char *help)
{
	head(out, name, "gauge", help);
	fprintf(out, "facegate_%s %.15g\n", name, value);
}

static void print_requests(const struct counters *m, FILE *out)
{
	head(out, "requests_total", "counter",
	     "Answers by route, method and HTTP status.");
	for (size_t r = 0; r <= COUNTERS_ROUTES; r++) {
		const struct route *route = router_at(r);

		for (size_t i = 0; i < COUNTERS_STATUSES; i++)
			if (m->requests[r][i] > 0)
				fprintf(out,
					"facegate_requests_total{route=\"%s\","
					"method=\"%s\",status=\"%d\"} %llu\n",
					route ? route->path : "none",
					route ? route->method : "none",
					statuses[i],
					(unsigned long long)m->requests[r][i]);
	}
	head(out, "problems_total", "counter", "Errors by code.");
	for (int i = 0; i < STATUS_COUNT; i++)
		if (m->problems[i] > 0)
			fprintf(out,
				"facegate_problems_total{code=\"%s\"} %llu\n",
				status_code((enum status)i),
				(unsigned long long)m->problems[i]);
	head(out, "decisions_total", "counter",
	     "Decisions by route, decision and reason.");
	for (size_t i = 0;
	     i < 3 * COUNTERS_REASONS && m->decisions[i].count > 0; i++)
		fprintf(out,
			"facegate_decisions_total{route=\"%s\",decision=\"%s\","
			"reason=\"%s\"} %llu\n",
			m->decisions[i].route, m->decisions[i].decision,
			m->decisions[i].reason,
			(unsigned long long)m->decisions[i].count);
}

static void print_stages(const struct counters *m, FILE *out)
{
	head(out, "stage_seconds", "histogram",
	     "Time of a request with pictures, by stage.");
	for (int s = 0; s < STAGE_COUNT; s++) {
		uint64_t sum = 0;

		for (size_t i = 0; i < COUNTERS_BUCKETS; i++) {
			sum += m->stages[s].buckets[i];
			fprintf(out,
				"facegate_stage_seconds_bucket{stage=\"%s\",",
				stages[s]);
			if (i < COUNTERS_BUCKETS - 1)
				fprintf(out, "le=\"%g\"} %llu\n",
					ends_ms[i] / 1e3,
					(unsigned long long)sum);
			else
				fprintf(out, "le=\"+Inf\"} %llu\n",
					(unsigned long long)sum);
		}
		fprintf(out,
			"facegate_stage_seconds_sum{stage=\"%s\"} %.6f\n"
			"facegate_stage_seconds_count{stage=\"%s\"} %llu\n",
			stages[s], (double)m->stages[s].sum_us / 1e6, stages[s],
			(unsigned long long)m->stages[s].count);
	}
}

static void print_events(struct srv *srv, FILE *out)
{
	static const struct {
		const char *name, *type, *help;
	} rows[EVENTS_KINDS] = {
		[EVENTS_WAITING] = { "events_waiting", "gauge",
				     "Decisions that wait to be sent." },
		[EVENTS_SENT] = { "events_sent_total", "counter",
				  "Decisions that the receiver acknowledged." },
		[EVENTS_FAILED] = { "events_failed_total", "counter",
				    "Attempts that it did not." },
		[EVENTS_EXPIRED] = { "events_expired_total", "counter",
				     "Decisions that grew too old to be "
				     "sent." },
		[EVENTS_DROPPED] = { "events_dropped_total", "counter",
				     "Decisions beyond events_max, not sent." },
	};
	struct events_count sinks[EVENTS_SINKS];
	size_t n = events_count(srv->events, sinks);

	if (n == 0)
		return;
	head(out, "events_up", "gauge", "0 after a failed attempt, else 1.");
	for (size_t i = 0; i < n; i++)
		fprintf(out, "facegate_events_up{sink=\"%s\"} %d\n",
			sinks[i].sink, sinks[i].up);
	for (int k = 0; k < EVENTS_KINDS; k++) {
		head(out, rows[k].name, rows[k].type, rows[k].help);
		for (size_t i = 0; i < n; i++)
			fprintf(out, "facegate_%s{sink=\"%s\"} %llu\n",
				rows[k].name, sinks[i].sink,
				(unsigned long long)sinks[i].n[k]);
	}
}

static void print_condition(struct srv *srv, FILE *out)
{
	struct db_condition how;

	db_condition(srv->db, &how);
	gauge(out, "database_verify_only", how.verify_only,
	      "1 while it is only read: damaged, or no disk for it at start.");
	gauge(out, "database_restored", how.restored,
	      "1 when it was restored from the backup at the last start.");
	gauge(out, "wiping_delayed", how.wiping_due,
	      "1 while bytes of what is erased are still in the files.");
	gauge(out, "backup_timestamp_seconds", (double)how.backup_ms / 1e3,
	      "Unix time of the automatic backup; 0: there is none.");
	gauge(out, "audit_broken", how.audit_broken_at != 0,
	      "1 while the audit log is not as it was written.");
	if (srv->tls != NULL)
		gauge(out, "certificate_end_timestamp_seconds",
		      (double)tls_not_after(srv->tls),
		      "Unix time at which the TLS certificate ends.");
}

static double file_bytes(const struct srv *srv, const char *name)
{
	char path[CFG_TEXT_MAX + 32];
	struct stat info;

	(void)snprintf(path, sizeof(path), "%s/%s", srv->cfg.data_dir, name);
	return stat(path, &info) == 0 ? (double)info.st_size : 0;
}

static double resident_bytes(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f != NULL) {
		if (fscanf(f, "%*u %llu", &pages) != 1)
			pages = 0;
		fclose(f);
	}
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

void counters_print(struct srv *srv, FILE *out)
{
	const struct counters *m = &srv->counters;
	const struct engine_info *info = engine_info(srv->engine);
	struct gallery *g = engine_gallery(srv->engine);
	size_t uploads_free;

	pthread_mutex_lock(&srv->slots_lock);
	uploads_free = srv->uploads.left;
	pthread_mutex_unlock(&srv->slots_lock);

	head(out, "build_info", "gauge", "What runs; always 1.");
	fprintf(out,
		"facegate_build_info{version=\"%s\",model=\"%s\",isa=\"%s\"} "
		"1\n",
		FACEGATE_VERSION, info->model_id, info->isa);
	gauge(out, "start_time_seconds", (double)m->started_ms / 1e3,
	      "Unix time of the start.");
	print_requests(m, out);
	print_stages(m, out);
	gauge(out, "pool_bytes", (double)info->pool_bytes,
	      "Working memory of one worker.");
	gauge(out, "pool_peak_bytes", (double)m->pool_peak_bytes,
	      "Most of it that a request has held since the start.");
	head(out, "corrupt_rows_total", "counter",
	     "Rows read that were changed or damaged in the database.");
	fprintf(out, "facegate_corrupt_rows_total %llu\n",
		(unsigned long long)db_corrupt_rows(srv->db));
	gauge(out, "requests_active", atomic_load(&srv->active),
	      "Requests at work, waiting or arriving.");
	gauge(out, "uploads_free", (double)uploads_free,
	      "Places free for workers and queue; at 0 the answer is busy.");
	gauge(out, "uploads", (double)srv->uploads.count,
	      "Places for workers and queue.");
	gauge(out, "gallery_templates", (double)gallery_count(g),
	      "Templates enrolled with the model in use.");
	gauge(out, "people_waiting", (double)atomic_load(&srv->people_waiting),
	      "People to enrol again, for the model in use.");
	gauge(out, "templates_to_reembed",
	      (double)atomic_load(&srv->to_reembed),
	      "Kept crops that wait for a template of the model in use.");
	gauge(out, "gallery_capacity", (double)gallery_capacity(g),
	      "Templates that fit.");
	print_events(srv, out);
	print_condition(srv, out);
	gauge(out, "database_bytes", file_bytes(srv, "facegate.db"),
	      "Size of the database file.");
	gauge(out, "wal_bytes", file_bytes(srv, "facegate.db-wal"),
	      "Size of the database's log.");
	gauge(out, "resident_bytes", resident_bytes(),
	      "Resident memory of the process.");
}
