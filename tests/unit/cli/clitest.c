#include "clitest.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

char clitest_path[] = "/tmp/facegate-cli-XXXXXX";

void clitest_setup(void)
{
	int fd;

	memcpy(clitest_path + strlen(clitest_path) - 6, "XXXXXX", 6);
	fd = mkstemp(clitest_path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

void clitest_teardown(void)
{
	unlink(clitest_path);
}

void clitest_write_bytes(const char *bytes, size_t length)
{
	FILE *f = fopen(clitest_path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(bytes, 1, length, f), length);
	ck_assert_int_eq(fclose(f), 0);
}

void clitest_write(const char *text)
{
	clitest_write_bytes(text, strlen(text));
}

void clitest_list(const char *text, struct pair_list *out)
{
	struct errinfo err;

	err_clear(&err);
	clitest_write(text);
	ck_assert_msg(pairs_read(clitest_path, out, &err) == ST_OK, "%s",
		      err.text);
}

struct engine *clitest_engine(void)
{
	static struct cli cli;
	struct engine *e = NULL;
	struct errinfo err;

	err_clear(&err);
	cfg_defaults(&cli.cfg);
	snprintf(cli.cfg.models_dir, sizeof(cli.cfg.models_dir), "%s/models",
		 FACEGATE_SOURCE_DIR);
	ck_assert_msg(cli_open_engine(&cli, 1, &e, &err) == ST_OK, "%s",
		      err.text);
	return e;
}

struct face_template clitest_template(uint32_t *seed)
{
	struct face_template t = { .length = 1 };
	int sum = 0;

	for (int i = 0; i < TEMPLATE_DIM; i++) {
		*seed = *seed * 1664525u + 1013904223u;
		t.v[i] = (int8_t)((int)(*seed >> 24) % 255 - 127);
		sum += t.v[i] * t.v[i];
	}
	t.scale = 1.0f / sqrtf((float)sum);
	return t;
}

void clitest_set_open(struct clitest_set *s, size_t persons, size_t pictures)
{
	size_t n = persons * pictures;
	uint32_t seed = 5;

	memset(s, 0, sizeof(*s));
	s->list.pictures = calloc(n, sizeof(*s->list.pictures));
	s->list.picture_count = n;
	s->m = calloc(n, sizeof(*s->m));
	s->t = calloc(n, sizeof(*s->t));
	for (size_t i = 0; i < n; i++) {
		struct pair_picture *p = &s->list.pictures[i];

		p->person = (unsigned)(i / pictures);
		p->index = (unsigned)(i % pictures) + 1;
		snprintf(p->name, sizeof(p->name), "p%03u", p->person);
		s->m[i].found = true;
		s->t[i] = i % pictures ? s->t[i - 1] : clitest_template(&seed);
	}
	s->ev = (struct evaluation){ clitest_engine(), &s->list, s->m, s->t,
				     &s->errata,       3 };
}

void clitest_set_close(struct clitest_set *s)
{
	engine_close((struct engine *)(uintptr_t)s->ev.engine);
	pairs_free(&s->list);
	errata_free(&s->errata);
	free(s->m);
	free(s->t);
}

void clitest_set_errata(struct clitest_set *s, const char *text)
{
	struct errinfo err;

	err_clear(&err);
	clitest_write(text);
	ck_assert_msg(errata_read(clitest_path, &s->list, &s->errata, &err) ==
			      ST_OK,
		      "%s", err.text);
}

double clitest_number(const json_t *o, const char *path)
{
	const char *at = path;
	char key[64];

	while (*at != '\0') {
		size_t n = strcspn(at, "/");

		ck_assert_uint_lt(n, sizeof(key));
		memcpy(key, at, n);
		key[n] = '\0';
		o = json_object_get(o, key);
		at += n + (at[n] == '/');
	}
	ck_assert_msg(json_is_number(o), "no number %s", path);
	return json_number_value(o);
}
