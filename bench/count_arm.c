/* Runs a statically linked ARM program of Linux, 64 or 32 bits, in the Unicorn
 * emulator and counts its instructions. The program's clock is that count: a
 * nanosecond an instruction. So a program that times its stages prints what
 * they cost, in millions of instructions where it says milliseconds, and the
 * same on every machine.
 *
 *   count_arm PROGRAM [ARGUMENT]...
 *
 * Knows only the system calls that such a benchmark makes; others fail.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <unicorn/unicorn.h>

#define PAGE	    4096u
#define HEAP	    0x20000000u
#define HEAP_BYTES  0x04000000u
#define MAPS	    0x40000000u
#define STACK	    0x70000000u
#define STACK_BYTES 0x00800000u
#define BLOCKS	    (1u << 20) /* of code, a power of two */

enum call {
	OTHER,
	OPEN,
	CLOSE,
	READ,
	WRITE,
	FSTAT,
	STATX,
	EXIT,
	CLOCK,
	CLOCK32,
	BRK,
	MMAP,
	MMAP2,
	NOTHING,
	SET_TLS
};

static const struct {
	enum call call;
	uint32_t arm64, arm;
} calls[] = {
	{ OPEN, 56, 322 },    { CLOSE, 57, 6 },	    { READ, 63, 3 },
	{ WRITE, 64, 4 },     { FSTAT, 79, 0 },	    { STATX, 291, 397 },
	{ EXIT, 93, 1 },      { EXIT, 94, 248 },    { CLOCK, 113, 403 },
	{ CLOCK32, 0, 263 },  { BRK, 214, 45 },	    { MMAP, 222, 0 },
	{ MMAP2, 0, 192 },    { NOTHING, 215, 91 }, { NOTHING, 226, 125 },
	{ NOTHING, 96, 256 }, { NOTHING, 99, 338 }, { SET_TLS, 0, 0xf0005 },
};

static uc_engine *uc;
static bool wide;      /* 64 bits */
static uint64_t count; /* instructions so far */
static uint64_t heap_end = HEAP, map_end = MAPS;
static struct {
	uint64_t address;
	uint32_t bytes, instructions;
} blocks[BLOCKS];

static void check(uc_err e, const char *what)
{
	if (e == UC_ERR_OK)
		return;
	fprintf(stderr, "count_arm: %s: %s\n", what, uc_strerror(e));
	exit(1);
}

static uint64_t get(int wide_reg, int reg)
{
	uint64_t v = 0;

	check(uc_reg_read(uc, wide ? wide_reg : reg, &v), "register");
	return v;
}

static void set(int wide_reg, int reg, uint64_t v)
{
	check(uc_reg_write(uc, wide ? wide_reg : reg, &v), "register");
}

static void put(uint64_t to, const void *from, size_t n)
{
	check(uc_mem_write(uc, to, from, n), "write to memory");
}

static void map(uint64_t from, uint64_t bytes)
{
	check(uc_mem_map(uc, from, (bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1),
			 UC_PROT_ALL),
	      "map");
}

/* Thumb's instructions have two bytes or four. */
static uint32_t thumb_instructions(uint64_t at, uint32_t bytes)
{
	uint32_t n = 0;
	uint16_t half;

	for (uint32_t i = 0; i < bytes; n++) {
		check(uc_mem_read(uc, at + i, &half, 2), "read code");
		i += half >> 11 >= 0x1d ? 4 : 2;
	}
	return n;
}

static void on_block(uc_engine *u, uint64_t at, uint32_t bytes, void *ctx)
{
	size_t i = (at >> 1) & (BLOCKS - 1);

	(void)u;
	(void)ctx;
	if (blocks[i].address != at || blocks[i].bytes != bytes) {
		bool thumb = !wide && (get(0, UC_ARM_REG_CPSR) & 0x20);

		blocks[i].address = at;
		blocks[i].bytes = bytes;
		blocks[i].instructions = thumb ? thumb_instructions(at, bytes)
					       : bytes / 4;
	}
	count += blocks[i].instructions;
}

static int64_t open_file(uint64_t path)
{
	char name[512];
	size_t i = 0;

	do
		check(uc_mem_read(uc, path + i, &name[i], 1), "read a path");
	while (name[i] != '\0' && ++i < sizeof(name) - 1);
	name[i] = '\0';
	return open(name, O_RDONLY | O_CLOEXEC);
}

static int64_t transfer(bool to_file, int fd, uint64_t at, uint64_t n)
{
	uint8_t *buf = malloc(n + 1);
	ssize_t done;

	if (buf == NULL)
		return -ENOMEM;
	if (to_file) {
		check(uc_mem_read(uc, at, buf, n), "read memory");
		done = write(fd, buf, n);
	} else {
		done = read(fd, buf, n);
		if (done > 0)
			put(at, buf, (size_t)done);
	}
	free(buf);
	return done;
}

/* A regular file of the right size, which is all that is asked. */
static int64_t stat_file(int fd, uint64_t at, size_t bytes, size_t mode_at,
			 size_t size_at)
{
	uint8_t out[256] = { 0 };
	struct stat sb;
	uint16_t mode = S_IFREG | 0644;
	uint64_t size;

	if (fstat(fd, &sb) != 0)
		return -EBADF;
	size = (uint64_t)sb.st_size;
	memcpy(out + mode_at, &mode, sizeof(mode));
	memcpy(out + size_at, &size, sizeof(size));
	put(at, out, bytes);
	return 0;
}

static int64_t map_file(uint64_t bytes, int fd, uint64_t offset)
{
	uint64_t at = map_end;
	uint8_t *buf;
	ssize_t n;

	map(at, bytes);
	map_end += (bytes + 2 * PAGE - 1) & ~(uint64_t)(PAGE - 1);
	if (fd < 0)
		return (int64_t)at;
	buf = calloc(1, bytes);
	n = buf ? pread(fd, buf, bytes, (off_t)offset) : -1;
	if (n > 0)
		put(at, buf, (size_t)n);
	free(buf);
	return n > 0 ? (int64_t)at : -EIO;
}

static int64_t answer(enum call call, const uint64_t a[6])
{
	int64_t time[2] = { (int64_t)(count / 1000000000u),
			    (int64_t)(count % 1000000000u) };
	int32_t time32[2] = { (int32_t)time[0], (int32_t)time[1] };

	switch (call) {
	case OPEN:
		return open_file(a[1]);
	case CLOSE:
		return close((int)a[0]);
	case READ:
	case WRITE:
		return transfer(call == WRITE, (int)a[0], a[1], a[2]);
	case FSTAT:
		return stat_file((int)a[0], a[2], 128, 16, 48);
	case STATX:
		return stat_file((int)a[0], a[4], 256, 28, 40);
	case EXIT:
		exit((int)a[0]);
	case CLOCK:
		put(a[1], time, sizeof(time));
		return 0;
	case CLOCK32:
		put(a[1], time32, sizeof(time32));
		return 0;
	case BRK:
		if (a[0] >= HEAP && a[0] <= HEAP + HEAP_BYTES)
			heap_end = a[0];
		return (int64_t)heap_end;
	case MMAP:
		return map_file(a[1], (int)a[4], a[5]);
	case MMAP2:
		return map_file(a[1], (int)a[4], a[5] * PAGE);
	case SET_TLS:
		set(0, UC_ARM_REG_C13_C0_3, a[0]);
		return 0;
	case NOTHING:
		return 0;
	case OTHER:
		break;
	}
	return -ENOSYS;
}

static void on_interrupt(uc_engine *u, uint32_t number, void *ctx)
{
	uint64_t asked = get(UC_ARM64_REG_X8, UC_ARM_REG_R7), a[6];
	enum call call = OTHER;

	(void)u;
	(void)ctx;
	if (number != 2) {
		fprintf(stderr, "count_arm: exception %u\n", number);
		exit(1);
	}
	for (int i = 0; i < 6; i++)
		a[i] = get(UC_ARM64_REG_X0 + i, UC_ARM_REG_R0 + i);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (asked == (wide ? calls[i].arm64 : calls[i].arm))
			call = calls[i].call;
	set(UC_ARM64_REG_X0, UC_ARM_REG_R0, (uint64_t)answer(call, a));
}

/* What main's libc asks for: arguments, environment, auxiliary vector. */
struct start {
	uint64_t entry, headers, header_bytes, header_count;
};

static void load(const char *path, struct start *s)
{
	uint8_t *f;
	struct stat sb;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const Elf64_Ehdr *e64;
	const Elf32_Ehdr *e32;

	if (fd < 0 || fstat(fd, &sb) != 0 ||
	    (f = malloc((size_t)sb.st_size)) == NULL ||
	    read(fd, f, (size_t)sb.st_size) != sb.st_size) {
		perror(path);
		exit(2);
	}
	close(fd);
	wide = f[EI_CLASS] == ELFCLASS64;
	e64 = (const void *)f;
	e32 = (const void *)f;
	check(uc_open(wide ? UC_ARCH_ARM64 : UC_ARCH_ARM, UC_MODE_ARM, &uc),
	      "open");
	check(uc_ctl_set_cpu_model(uc, wide ? (int)UC_CPU_ARM64_MAX
					    : (int)UC_CPU_ARM_MAX),
	      "processor");
	*s = (struct start){ wide ? e64->e_entry : e32->e_entry, 0,
			     wide ? e64->e_phentsize : e32->e_phentsize,
			     wide ? e64->e_phnum : e32->e_phnum };
	for (size_t i = 0; i < s->header_count; i++) {
		const Elf64_Phdr *p = (const void *)(f + e64->e_phoff +
						     i * sizeof(*p));
		const Elf32_Phdr *q = (const void *)(f + e32->e_phoff +
						     i * sizeof(*q));
		uint64_t at = wide ? p->p_vaddr : q->p_vaddr;
		uint64_t off = wide ? p->p_offset : q->p_offset;
		uint64_t in_file = wide ? p->p_filesz : q->p_filesz;
		uint64_t bytes = wide ? p->p_memsz : q->p_memsz;

		if ((wide ? p->p_type : q->p_type) != PT_LOAD)
			continue;
		if (off == 0)
			s->headers = at + (wide ? e64->e_phoff : e32->e_phoff);
		map(at & ~(uint64_t)(PAGE - 1), bytes + at % PAGE);
		put(at, f + off, in_file);
	}
	free(f);
}

/* Builds the stack downwards and returns its end. */
static uint64_t make_stack(int argc, char **argv, const struct start *s)
{
	static const char *const passed[] = { "FACEGATE_ISA" };
	uint64_t word[64 + 32], at = STACK + STACK_BYTES - 64;
	size_t n = 0, size = wide ? 8 : 4;
	uint64_t random_at = at;
	/* The levels that the engine knows: Advanced SIMD and dot product in
	 * 64 bits; in 32 VFPv3 and NEON. */
	uint64_t hwcap = wide ? 1u | 1u << 1 | 1u << 20
			      : 1u << 6 | 1u << 12 | 1u << 13 | 1u << 15;
	const uint64_t vector[][2] = {
		{ AT_PHDR, s->headers },
		{ AT_PHENT, s->header_bytes },
		{ AT_PHNUM, s->header_count },
		{ AT_PAGESZ, PAGE },
		{ AT_RANDOM, random_at },
		{ AT_HWCAP, hwcap },
		{ AT_SECURE, 0 },
		{ AT_NULL, 0 },
	};

	word[n++] = (uint64_t)argc;
	for (int i = 0; i < argc; i++) {
		at -= strlen(argv[i]) + 1;
		put(at, argv[i], strlen(argv[i]) + 1);
		word[n++] = at;
	}
	word[n++] = 0;
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
		const char *value = getenv(passed[i]);
		char line[128];

		if (value == NULL)
			continue;
		snprintf(line, sizeof(line), "%s=%s", passed[i], value);
		at -= strlen(line) + 1;
		put(at, line, strlen(line) + 1);
		word[n++] = at;
	}
	word[n++] = 0;
	for (size_t i = 0; i < sizeof(vector) / sizeof(vector[0]); i++) {
		word[n++] = vector[i][0];
		word[n++] = vector[i][1];
	}
	at = (at - n * size) & ~(uint64_t)15;
	for (size_t i = 0; i < n; i++)
		put(at + i * size, &word[i], size);
	return at;
}

int main(int argc, char **argv)
{
	struct start s;
	uc_hook block, interrupt;

	if (argc < 2 || argc > 32) {
		fprintf(stderr, "usage: count_arm PROGRAM [ARGUMENT]...\n");
		return 2;
	}
	load(argv[1], &s);
	map(HEAP, HEAP_BYTES);
	map(STACK, STACK_BYTES);
	set(UC_ARM64_REG_SP, UC_ARM_REG_SP, make_stack(argc - 1, argv + 1, &s));
	if (wide) {
		set(UC_ARM64_REG_CPACR_EL1, 0, 3u << 20);
	} else {
		set(0, UC_ARM_REG_C1_C0_2, 0xf00000);
		set(0, UC_ARM_REG_FPEXC, 0x40000000);
	}
	check(uc_hook_add(uc, &block, UC_HOOK_BLOCK, (void *)on_block, NULL,
			  (uint64_t)1, (uint64_t)0),
	      "hook");
	check(uc_hook_add(uc, &interrupt, UC_HOOK_INTR, (void *)on_interrupt,
			  NULL, (uint64_t)1, (uint64_t)0),
	      "hook");
	check(uc_emu_start(uc, s.entry, 0, 0, 0), "run");
	return 0;
}
