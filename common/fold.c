#include "fold.h"

#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

static locale_t unicode;

static void open_locale(void)
{
	/* Part of the C library, unlike the locales of languages. Without it,
	 * in the thread's own locale, ASCII is left. */
	unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
}

bool fold_set(struct fold *f, const char *utf8)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	locale_t before = NULL;
	size_t n;

	if (strlen(utf8) > FOLD_BYTES_MAX)
		return false;
	(void)pthread_once(&once, open_locale);
	if (unicode != NULL)
		before = uselocale(unicode);
	n = mbstowcs(f->text, utf8, FOLD_BYTES_MAX + 1);
	for (size_t i = 0; n != (size_t)-1 && i < n; i++)
		f->text[i] = (wchar_t)towlower((wint_t)f->text[i]);
	if (unicode != NULL)
		(void)uselocale(before);
	return n != (size_t)-1;
}

bool fold_contains(const char *utf8, const struct fold *what)
{
	struct fold f;

	return fold_set(&f, utf8) && wcsstr(f.text, what->text) != NULL;
}
