/* Runs a fuzzer's entry on files, or on all files of folders, in the build
 * that the other tests use: what was found once stays found. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned ran;

static void run_file(const char *path, size_t size)
{
	uint8_t *data = malloc(size + 1);
	FILE *f = fopen(path, "rb");

	fuzz_check(data != NULL && f != NULL);
	fuzz_check(fread(data, 1, size, f) == size);
	fclose(f);
	/* Flushed, so that it names the culprit. */
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	ran++;
}

static void run_path(const char *path)
{
	struct dirent **names;
	struct stat info;
	int n;

	fuzz_check(stat(path, &info) == 0);
	if (!S_ISDIR(info.st_mode)) {
		run_file(path, (size_t)info.st_size);
		return;
	}
	n = scandir(path, &names, NULL, alphasort);
	fuzz_check(n >= 0);
	for (int i = 0; i < n; i++) {
		char inner[4096];

		snprintf(inner, sizeof(inner), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			run_path(inner);
		free(names[i]);
	}
	free(names);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	printf("%u inputs\n", ran);
	return ran > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
