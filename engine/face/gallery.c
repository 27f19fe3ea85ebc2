#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "checked.h"
#include "face/gallery_mem.h"
#include "mem/arena.h"

/* Rows scored at a time: their scores stay in the nearest cache. */
#define BLOCK 256

/* The database's keys are held in 32 bits: they count up from 1, one a
 * template. */
struct gallery {
	pthread_rwlock_t lock;
	const struct k_table *k;
	size_t count, capacity;
	int8_t (*rows)[TEMPLATE_DIM]; /* aligned, scanned front to back */
	float *scales;
	uint32_t *persons;
	uint32_t *ids;
};

static size_t rows_offset(void)
{
	return align_up(sizeof(struct gallery), ARENA_ALIGN);
}

size_t gallery_bytes(size_t capacity)
{
	size_t row = TEMPLATE_DIM + sizeof(float) + 2 * sizeof(uint32_t);

	return rows_offset() + align_up(capacity * row, ARENA_ALIGN);
}

struct gallery *gallery_open(void *mem, size_t capacity,
			     const struct k_table *k)
{
	struct gallery *g = mem;
	uint8_t *at = (uint8_t *)mem + rows_offset();

	memset(g, 0, sizeof(*g));
	pthread_rwlock_init(&g->lock, NULL);
	g->k = k;
	g->capacity = capacity;
	g->rows = (void *)at;
	at += capacity * TEMPLATE_DIM;
	g->scales = (void *)at;
	at += capacity * sizeof(float);
	g->persons = (void *)at;
	at += capacity * sizeof(uint32_t);
	g->ids = (void *)at;
	return g;
}

void gallery_close(struct gallery *g)
{
	pthread_rwlock_destroy(&g->lock);
}

/* Templates of a person; the caller holds the lock. */
static size_t count_of(const struct gallery *g, int64_t person_key)
{
	size_t n = 0;

	for (size_t i = 0; i < g->count; i++)
		n += g->persons[i] == person_key;
	return n;
}

/* The last row takes the place of the one removed; its old bytes are wiped. */
static size_t remove_of(struct gallery *g, int64_t person_key)
{
	size_t removed = 0, i = 0;

	while (i < g->count) {
		size_t last = g->count - 1;

		if (g->persons[i] != person_key) {
			i++;
			continue;
		}
		memcpy(g->rows[i], g->rows[last], TEMPLATE_DIM);
		g->scales[i] = g->scales[last];
		g->persons[i] = g->persons[last];
		g->ids[i] = g->ids[last];
		explicit_bzero(g->rows[last], TEMPLATE_DIM);
		g->scales[last] = 0.0f;
		g->persons[last] = 0;
		g->ids[last] = 0;
		g->count = last;
		removed++;
	}
	return removed;
}

static bool is_key(int64_t key)
{
	return key > 0 && key <= UINT32_MAX;
}

static enum status room_of(const struct gallery *g, int64_t person_key,
			   size_t n, int replace)
{
	size_t held = g->count - (replace ? count_of(g, person_key) : 0);

	return n <= g->capacity - held ? ST_OK : ST_GALLERY_FULL;
}

enum status gallery_room(struct gallery *g, int64_t person_key, size_t n,
			 int replace)
{
	enum status st;

	pthread_rwlock_rdlock(&g->lock);
	st = room_of(g, person_key, n, replace);
	pthread_rwlock_unlock(&g->lock);
	return st;
}

enum status gallery_put(struct gallery *g, int64_t person_key,
			const int64_t *template_ids,
			const struct face_template *t, size_t n, int replace)
{
	enum status st;

	if (!is_key(person_key))
		return ST_GALLERY_FULL;
	for (size_t i = 0; i < n; i++)
		if (!is_key(template_ids[i]))
			return ST_GALLERY_FULL;
	pthread_rwlock_wrlock(&g->lock);
	st = room_of(g, person_key, n, replace);
	if (st == ST_OK) {
		if (replace)
			remove_of(g, person_key);
		for (size_t i = 0; i < n; i++) {
			size_t at = g->count++;

			memcpy(g->rows[at], t[i].v, TEMPLATE_DIM);
			g->scales[at] = t[i].scale;
			g->persons[at] = (uint32_t)person_key;
			g->ids[at] = (uint32_t)template_ids[i];
		}
	}
	pthread_rwlock_unlock(&g->lock);
	return st;
}

size_t gallery_remove(struct gallery *g, int64_t person_key)
{
	size_t n;

	pthread_rwlock_wrlock(&g->lock);
	n = remove_of(g, person_key);
	pthread_rwlock_unlock(&g->lock);
	return n;
}

/* scores[i] = cosine of row at + i and the probe, i < n <= BLOCK. */
static void score_rows(const struct gallery *g, size_t at, size_t n,
		       const struct face_template *probe, float *scores)
{
	int32_t dots[BLOCK];

	g->k->dot_rows_s8(g->rows + at, probe->v, n, dots);
	for (size_t i = 0; i < n; i++)
		scores[i] = (float)dots[i] * g->scales[at + i] * probe->scale;
}

enum status gallery_verify(struct gallery *g, int64_t person_key,
			   const struct face_template *probe,
			   struct gallery_hit *best)
{
	enum status st = ST_NO_SUCH_PERSON;

	pthread_rwlock_rdlock(&g->lock);
	for (size_t i = 0; i < g->count; i++) {
		float score;

		if (g->persons[i] != person_key)
			continue;
		score_rows(g, i, 1, probe, &score);
		if (st != ST_OK || score > best->score ||
		    (!(score < best->score) && g->ids[i] < best->template_id)) {
			best->person_key = person_key;
			best->template_id = g->ids[i];
			best->score = score;
			st = ST_OK;
		}
	}
	pthread_rwlock_unlock(&g->lock);
	return st;
}

/* True when hit a ranks before hit b: rows have no order of their own (removal
 * moves them), so ties are broken by the keys. */
static int ranks_before(const struct gallery_hit *a,
			const struct gallery_hit *b)
{
	if (a->score > b->score)
		return 1;
	if (a->score < b->score)
		return 0;
	if (a->person_key != b->person_key)
		return a->person_key < b->person_key;
	return a->template_id < b->template_id;
}

/* Keeps hits[0 .. n) the best persons so far, best first. */
static size_t offer(struct gallery_hit *hits, size_t n, size_t k,
		    const struct gallery_hit *hit)
{
	size_t at = 0;

	while (at < n && hits[at].person_key != hit->person_key)
		at++;
	if (at == n) {
		if (n == k) {
			if (!ranks_before(hit, &hits[n - 1]))
				return n;
			at = n - 1;
		} else {
			n++;
		}
	} else if (!ranks_before(hit, &hits[at])) {
		return n;
	}
	while (at > 0 && ranks_before(hit, &hits[at - 1])) {
		hits[at] = hits[at - 1];
		at--;
	}
	hits[at] = *hit;
	return n;
}

/* Offers rows at .. at + rows of the gallery to hits[0 .. n). */
static size_t scan(const struct gallery *g, size_t at, size_t rows,
		   const struct face_template *probe, struct gallery_hit *hits,
		   size_t n, size_t k)
{
	float scores[BLOCK];

	score_rows(g, at, rows, probe, scores);
	for (size_t i = 0; i < rows; i++) {
		struct gallery_hit hit;

		if (n == k && scores[i] < hits[n - 1].score)
			continue;
		hit.person_key = g->persons[at + i];
		hit.template_id = g->ids[at + i];
		hit.score = scores[i];
		n = offer(hits, n, k, &hit);
	}
	return n;
}

size_t gallery_identify(struct gallery *g, const struct face_template *probe,
			struct gallery_hit *hits, size_t k)
{
	size_t n = 0;

	if (k > GALLERY_TOP_MAX)
		k = GALLERY_TOP_MAX;
	if (k == 0)
		return 0;
	pthread_rwlock_rdlock(&g->lock);
	for (size_t at = 0; at < g->count; at += BLOCK) {
		size_t left = g->count - at;

		n = scan(g, at, left < BLOCK ? left : BLOCK, probe, hits, n, k);
	}
	pthread_rwlock_unlock(&g->lock);
	return n;
}

static int is_among(const int64_t *keys, size_t count, int64_t key)
{
	size_t from = 0, to = count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (keys[middle] < key)
			from = middle + 1;
		else
			to = middle;
	}
	return from < count && keys[from] == key;
}

size_t gallery_identify_among(struct gallery *g,
			      const struct face_template *probe,
			      const int64_t *keys, size_t key_count,
			      struct gallery_hit *hits, size_t k,
			      size_t *compared)
{
	struct face_template row = { 0 };
	size_t n = 0;

	*compared = 0;
	if (k > GALLERY_TOP_MAX)
		k = GALLERY_TOP_MAX;
	pthread_rwlock_rdlock(&g->lock);
	for (size_t i = 0; i < g->count && k > 0; i++) {
		struct gallery_hit hit = { .person_key = g->persons[i],
					   .template_id = g->ids[i] };

		if (!is_among(keys, key_count, hit.person_key))
			continue;
		++*compared;
		memcpy(row.v, g->rows[i], TEMPLATE_DIM);
		row.scale = g->scales[i];
		hit.score = template_cosine(&row, probe);
		n = offer(hits, n, k, &hit);
	}
	pthread_rwlock_unlock(&g->lock);
	return n;
}

size_t gallery_count(struct gallery *g)
{
	size_t n;

	pthread_rwlock_rdlock(&g->lock);
	n = g->count;
	pthread_rwlock_unlock(&g->lock);
	return n;
}

size_t gallery_capacity(struct gallery *g)
{
	return g->capacity;
}

float template_cosine(const struct face_template *a,
		      const struct face_template *b)
{
	int32_t dot;

	k_table_scalar.dot_rows_s8(&a->v, b->v, 1, &dot);
	return (float)dot * a->scale * b->scale;
}
