#include "clitest.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
