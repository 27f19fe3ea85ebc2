/* What the store asks of the C library and of libsodium itself fails by the
 * plan of faultvfs.h too: the linker leads these calls, which
 * tests/CMakeLists.txt names, through faultcalls.c. Kinds of operations are
 * those of files in general; the plan's code says what errno is. And with
 * fault_memory_install, every allocation of SQLite's counts for FAULT_MEMORY.
 * For checked fixtures, around fault_install; the folder of the test must be
 * there.
 */
#ifndef FACEGATE_TEST_FAULTCALLS_H
#define FACEGATE_TEST_FAULTCALLS_H

void fault_memory_install(void);
void fault_memory_remove(void);

#endif
