/* A layer under the store that makes file operations fail on purpose, counts
 * them, and can cut the power: what was written since a file's last sync is
 * then kept, torn or lost at random. It becomes SQLite's default file access,
 * so the store must have been opened once before with the same cache size.
 * One test at a time uses it; it is not for several threads.
 */
#ifndef FACEGATE_TEST_FAULTVFS_H
#define FACEGATE_TEST_FAULTVFS_H

#include <stdbool.h>

enum fault_kind {
	FAULT_OPEN = 1,
	FAULT_READ = 2,
	FAULT_WRITE = 4,
	FAULT_SYNC = 8,
	FAULT_TRUNCATE = 16,
	FAULT_SHARED = 32, /* mapping the shared memory file */
	FAULT_FOLDER = 64, /* renaming and removing */
	FAULT_MEMORY = 128 /* see faultcalls.h */
};

/* The countdown-th operation of the kinds fails with the SQLite code, and all
 * after it too if forever. 0 disarms. */
struct fault_plan {
	unsigned kinds;
	int countdown;
	bool forever;
	int code;
};

extern struct fault_plan fault_plan;
bool fault_fails(
	enum fault_kind kind); /* whether one more of them is to fail */
/* Writes that would make the WAL longer find the disk full; 0: no limit. */
extern long fault_wal_bytes_max;
extern bool fault_hit; /* an operation failed on purpose */
extern unsigned fault_wal_syncs, fault_db_syncs;

/* Checked fixtures. install opens the store in test_dir once. */
void fault_install(void);
void fault_remove(void);
void fault_disarm(void);

/* From fault_power_on, writes are recorded; the countdown-th write, sync or
 * truncation is where the power fails: it and all after it do nothing. Once
 * the store is closed, fault_power_settle makes the files what a disk could
 * then hold. */
void fault_power_on(int countdown);
bool fault_power_failed(void);
void fault_power_settle(unsigned seed);

#endif
