/* What one key alone cannot say: names of something, and combinations that
 * cannot take effect. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

static bool is_set(const char *text)
{
	return text[0] != '\0';
}

/* Static programs are built without it. */
#ifdef FACEGATE_NO_TLS
static const bool speaks_tls = false;
#else
static const bool speaks_tls = true;
#endif

static bool is_https(const char *url)
{
	return strncmp(url, "https://", 8) == 0;
}

/* NULL when TLS is asked for by no key. */
static const char *key_for_tls(const struct config *cfg)
{
	return is_set(cfg->tls_cert)	    ? "tls_cert"
	       : is_set(cfg->tls_key)	    ? "tls_key"
	       : is_https(cfg->webhook_url) ? "webhook_url"
	       : cfg->mqtt_tls		    ? "mqtt_tls"
					    : NULL;
}

static enum status check_tls(const struct config *cfg, struct errinfo *err)
{
	if (!speaks_tls && key_for_tls(cfg) != NULL)
		return err_set(err, ST_BAD_CONFIG,
			       "%s: this build speaks no TLS",
			       key_for_tls(cfg));
	if (is_set(cfg->tls_cert) != is_set(cfg->tls_key))
		return err_set(err, ST_BAD_CONFIG,
			       "tls_cert and tls_key go together");
	if (is_set(cfg->tls_client_ca) && !is_set(cfg->tls_cert))
		return err_set(err, ST_BAD_CONFIG,
			       "tls_client_ca: cannot take effect without "
			       "tls_cert");
	if (cfg->tls_client_required && !is_set(cfg->tls_client_ca))
		return err_set(err, ST_BAD_CONFIG,
			       "tls_client_required: cannot take effect "
			       "without tls_client_ca");
	return ST_OK;
}

static enum status check_events(const struct config *cfg, struct errinfo *err)
{
	bool url_ok = strncmp(cfg->webhook_url, "http://", 7) == 0 ||
		      is_https(cfg->webhook_url);

	if (is_set(cfg->webhook_url) && !url_ok)
		return err_set(err, ST_BAD_CONFIG,
			       "webhook_url: begins with neither http:// nor "
			       "https://");
	if (is_set(cfg->webhook_url) != is_set(cfg->webhook_secret_file))
		return err_set(err, ST_BAD_CONFIG,
			       "webhook_url and webhook_secret_file go "
			       "together");
	if (is_set(cfg->mqtt_password_file) && !is_set(cfg->mqtt_user))
		return err_set(err, ST_BAD_CONFIG,
			       "mqtt_password_file: cannot take effect without "
			       "mqtt_user");
	if (is_set(cfg->mqtt_ca_file) && !cfg->mqtt_tls)
		return err_set(err, ST_BAD_CONFIG,
			       "mqtt_ca_file: cannot take effect without "
			       "mqtt_tls");
	if (strpbrk(cfg->mqtt_topic, "#+$") != NULL)
		return err_set(err, ST_BAD_CONFIG,
			       "mqtt_topic: must not have # + $");
	/* What waits to be sent waits in the match log. */
	if ((is_set(cfg->webhook_url) || is_set(cfg->mqtt_host)) &&
	    cfg->events_max > cfg->log_max_rows)
		return err_set(err, ST_BAD_CONFIG,
			       "events_max: %lld cannot take effect above "
			       "log_max_rows, %lld",
			       (long long)cfg->events_max,
			       (long long)cfg->log_max_rows);
	return ST_OK;
}

enum status cfg_check(const struct config *cfg, struct errinfo *err)
{
	enum log_level level;

	if (!log_level_named(cfg->log_level, &level))
		return err_set(err, ST_BAD_CONFIG,
			       "log_level: \"%.40s\" is not error, warn, info "
			       "or debug",
			       cfg->log_level);
	if (strpbrk(cfg->embedder, "/.") != NULL)
		return err_set(err, ST_BAD_CONFIG,
			       "embedder: \"%.40s\" is not a name without "
			       "dot and slash",
			       cfg->embedder);
	if (cfg->connections_per_ip > cfg->connections_max)
		return err_set(err, ST_BAD_CONFIG,
			       "connections_per_ip: %lld cannot take effect "
			       "above connections_max, %lld",
			       (long long)cfg->connections_per_ip,
			       (long long)cfg->connections_max);
	/* Each waiting request holds a connection. */
	if (cfg->queue_max > cfg->connections_max)
		return err_set(err, ST_BAD_CONFIG,
			       "queue_max: %lld cannot take effect above "
			       "connections_max, %lld",
			       (long long)cfg->queue_max,
			       (long long)cfg->connections_max);
	if (check_tls(cfg, err) != ST_OK)
		return ST_BAD_CONFIG;
	return check_events(cfg, err);
}

enum status cfg_check_files(const struct config *cfg, struct errinfo *err)
{
	const struct {
		const char *key, *path;
	} files[] = { { "tls_cert", cfg->tls_cert },
		      { "tls_key", cfg->tls_key },
		      { "tls_client_ca", cfg->tls_client_ca },
		      { "template_key_file", cfg->template_key_file },
		      { "webhook_secret_file", cfg->webhook_secret_file },
		      { "webhook_ca_file", cfg->webhook_ca_file },
		      { "mqtt_password_file", cfg->mqtt_password_file },
		      { "mqtt_ca_file", cfg->mqtt_ca_file } };

	/* Another user's files may be out of sight here: they count as there.
	 */
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (strchr(files[i].path, '/') != NULL &&
		    access(files[i].path, F_OK) != 0 && errno == ENOENT)
			return err_set(err, ST_BAD_CONFIG,
				       "%s: %.100s is not there", files[i].key,
				       files[i].path);
	return ST_OK;
}
