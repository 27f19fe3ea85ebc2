/* Chooses the kernel level once, before threads start. */
#include <string.h>
#if defined(__arm__) || defined(__aarch64__)
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

#include "nn/kernels.h"
#include "nn/levels.h"

#if defined(__x86_64__)
/* Older compilers' __builtin_cpu_supports does not know the name. The registers
 * are those of AVX2. */
static int has_avxvnni(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4));
}
#endif

size_t k_available(const struct k_table *tables[K_LEVELS_MAX])
{
	size_t n = 0;

	tables[n++] = &k_table_scalar;
#if defined(__x86_64__)
	/* These built-ins also ask the operating system (XGETBV) whether the
	 * wide registers are saved at all. */
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2")) {
		tables[n++] = &k_table_avx2;
		if (has_avxvnni())
			tables[n++] = &k_table_avxvnni;
		if (__builtin_cpu_supports("avx512f") &&
		    __builtin_cpu_supports("avx512bw") &&
		    __builtin_cpu_supports("avx512dq") &&
		    __builtin_cpu_supports("avx512vl") &&
		    __builtin_cpu_supports("avx512vnni"))
			tables[n++] = &k_table_avx512vnni;
	}
#elif defined(__aarch64__)
	tables[n++] = &k_table_neon;
	if (getauxval(AT_HWCAP) & (1u << 20)) /* HWCAP_ASIMDDP */
		tables[n++] = &k_table_dotprod;
#elif defined(__arm__)
	if (getauxval(AT_HWCAP) & (1u << 12)) /* HWCAP_NEON */
		tables[n++] = &k_table_neon;
#endif
	return n;
}

const struct k_table *k_select(const char *name)
{
	const struct k_table *tables[K_LEVELS_MAX];
	size_t n = k_available(tables);

	if (name == NULL || name[0] == '\0')
		return tables[n - 1];
	for (size_t i = 0; i < n; i++)
		if (strcmp(tables[i]->name, name) == 0)
			return tables[i];
	return NULL;
}
