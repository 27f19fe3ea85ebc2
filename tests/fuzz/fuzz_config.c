/* libFuzzer entry for what an operator writes: the configuration as a file and
 * as the environment, the file of API keys, the file of encryption keys, a
 * file with a secret. The first byte chooses which. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "fuzz.h"
#include "keystore.h"
#include "listen.h"
#include "seal.h"
#include "secret.h"

#define ENTRIES_MAX 32

static const uint8_t *bytes;
static size_t count;

/* What was taken can be printed, and is taken again as the same. */
static void use(const struct config *cfg)
{
	char host[CFG_TEXT_MAX], *text = NULL, *second = NULL;
	struct MHD_OptionItem options[2];
	struct sockaddr_storage sa;
	struct config again;
	struct errinfo err;
	size_t n = 0, m = 0;
	FILE *f = open_memstream(&text, &n);

	fuzz_check(f != NULL);
	cfg_print(cfg, f);
	fclose(f);
	err_clear(&err);
	if (cfg_check(cfg, &err) == ST_OK &&
	    listen_where(cfg->listen, -1, true, host, &sa, options, &err) ==
		    ST_OK)
		fuzz_check(sa.ss_family != 0);
	err_clear(&err);
	cfg_defaults(&again);
	fuzz_check(cfg_read_file(&again, fuzz_file((const uint8_t *)text, n),
				 &err) == ST_OK);
	f = open_memstream(&second, &m);
	fuzz_check(f != NULL);
	cfg_print(&again, f);
	fclose(f);
	fuzz_check(n == m && memcmp(text, second, n) == 0);
	free(text);
	free(second);
}

static void file(void)
{
	struct config cfg;
	struct errinfo err;
	enum status st;

	err_clear(&err);
	cfg_defaults(&cfg);
	st = cfg_read_file(&cfg, fuzz_file(bytes, count), &err);
	fuzz_check(st == err.status);
	fuzz_check(st == ST_OK || st == ST_BAD_CONFIG);
	if (st == ST_OK)
		use(&cfg);
}

/* A line an entry, each with the prefix before it. */
static void environment(void)
{
	char *text = fuzz_text(bytes, count), *rest = text, *line;
	char *entries[ENTRIES_MAX + 1] = { NULL };
	struct config cfg;
	struct errinfo err;
	size_t n = 0;

	while (n < ENTRIES_MAX && (line = strsep(&rest, "\n")) != NULL)
		fuzz_check(asprintf(&entries[n++], "FACEGATE_%s", line) >= 0);
	err_clear(&err);
	cfg_defaults(&cfg);
	if (cfg_read_env(&cfg, entries, &err) == ST_OK)
		use(&cfg);
	else
		fuzz_check(err.status == ST_BAD_CONFIG);
	for (size_t i = 0; i < n; i++)
		free(entries[i]);
	free(text);
}

static void api_keys(void)
{
	struct keystore_key keys[4];
	struct errinfo err;
	char path[512];
	enum status st;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", fuzz_folder(), KEYS_FILE);
	f = fopen(path, "wb");
	fuzz_check(f != NULL && fwrite(bytes, 1, count, f) == count);
	fclose(f);
	err_clear(&err);
	st = keystore_load(fuzz_folder(), keys, 4, &n, &err);
	fuzz_check(st == ST_OK || st == ST_BAD_CONFIG);
	for (size_t i = 0; st == ST_OK && i < n; i++)
		fuzz_check(strlen(keys[i].id) == KEY_ID_CHARS &&
			   keystore_role_word(keys[i].role) != NULL &&
			   strlen(keys[i].label) <= KEY_LABEL_MAX);
}

static void encryption_keys(void)
{
	struct seal *seal = NULL;
	struct errinfo err;

	err_clear(&err);
	if (seal_load(fuzz_file(bytes, count), false, &seal, &err) == ST_OK)
		fuzz_check(seal_has(seal, seal_newest(seal)));
	else
		fuzz_check(err.status == ST_BAD_KEY_FILE && seal == NULL);
	seal_free(seal);
}

static void secret(void)
{
	char out[SECRET_MAX + 1];
	struct errinfo err;

	err_clear(&err);
	if (secret_read("secret", fuzz_file(bytes, count), out, &err) == ST_OK)
		fuzz_check(out[0] != '\0' && strlen(out) <= SECRET_MAX);
	else
		fuzz_check(err.status == ST_BAD_CONFIG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const all[])(void) = { file, environment, api_keys,
					     encryption_keys, secret };

	if (size == 0)
		return 0;
	bytes = data + 1;
	count = size - 1;
	all[data[0] % 5]();
	return 0;
}
