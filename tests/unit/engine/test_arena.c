#include <check.h>
#include <string.h>

#include "mem/arena.h"

static _Alignas(64) uint8_t block[4096];

START_TEST(head_and_tail_never_meet)
{
	struct arena a;
	uint8_t *h, *t;

	arena_init(&a, block, sizeof(block));
	h = arena_head(&a, 1000);
	t = arena_tail(&a, 2000);
	ck_assert_ptr_nonnull(h);
	ck_assert_ptr_nonnull(t);
	ck_assert(h + 1000 <= t);
	ck_assert(t + 2000 <= block + sizeof(block));
	ck_assert_ptr_null(arena_head(&a, arena_room(&a) + 1));
	ck_assert_ptr_null(arena_tail(&a, SIZE_MAX));
	ck_assert_ptr_nonnull(arena_head(&a, arena_room(&a)));
	ck_assert_uint_eq(arena_room(&a), 0);
	ck_assert_ptr_null(arena_tail(&a, 1));
}
END_TEST

START_TEST(every_block_is_aligned)
{
	struct arena a;

	arena_init(&a, block, sizeof(block));
	for (size_t n = 1; n < 200; n += 13) {
		void *p = n % 2 ? arena_head(&a, n) : arena_tail(&a, n);

		if (p != NULL)
			ck_assert_uint_eq((uintptr_t)p % ARENA_ALIGN, 0);
	}
}
END_TEST

START_TEST(release_gives_back_and_peak_remembers)
{
	struct arena a;
	struct arena_mark m;

	arena_init(&a, block, sizeof(block));
	ck_assert_ptr_nonnull(arena_head(&a, 64));
	m = arena_get_mark(&a);
	ck_assert_ptr_nonnull(arena_tail(&a, 1024));
	arena_release(&a, m);
	ck_assert_uint_eq(arena_room(&a), sizeof(block) - 64);
	ck_assert_uint_eq(a.peak, 64 + 1024);
	arena_reset_peak(&a);
	ck_assert_uint_eq(a.peak, 64);
}
END_TEST

Suite *suite_arena(void)
{
	Suite *s = suite_create("arena");
	TCase *t = tcase_create("arena");

	tcase_add_test(t, head_and_tail_never_meet);
	tcase_add_test(t, every_block_is_aligned);
	tcase_add_test(t, release_gives_back_and_peak_remembers);
	suite_add_tcase(s, t);
	return s;
}
