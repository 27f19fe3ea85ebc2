#include "mimehead.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

bool mime_word_is(const char **p, const char *word)
{
	const char *start = skip_blanks(*p);
	size_t len = strcspn(start, "; \t");

	*p = start + len;
	return len == strlen(word) && strncasecmp(start, word, len) == 0;
}

static void add_char(struct mime_param *out, char c)
{
	if (out->value_len < sizeof(out->value) - 1)
		out->value[out->value_len] = c;
	out->value_len++;
}

/* s is past the opening quote. Returns what follows the closing one, or NULL
 * if there is none. A backslash makes the next character an ordinary one. */
static const char *read_quoted(const char *s, struct mime_param *out)
{
	for (; *s != '"'; s++) {
		if (*s == '\\')
			s++;
		if (*s == '\0')
			return NULL;
		add_char(out, *s);
	}
	return s + 1;
}

enum mime_next mime_next_param(const char **p, struct mime_param *out)
{
	const char *s = skip_blanks(*p);
	size_t len, kept;

	if (*s == '\0')
		return MIME_END;
	if (*s != ';')
		return MIME_BAD;
	s = skip_blanks(s + 1);
	if (*s == '\0') { /* a last semicolon with nothing after it */
		*p = s;
		return MIME_END;
	}
	len = strcspn(s, "=; \t\"");
	if (len == 0 || s[len] != '=')
		return MIME_BAD;
	kept = len < sizeof(out->name) ? len : sizeof(out->name) - 1;
	memcpy(out->name, s, kept);
	out->name[kept] = '\0';
	s += len + 1;
	out->value_len = 0;
	if (*s == '"') {
		s = read_quoted(s + 1, out);
		if (s == NULL)
			return MIME_BAD;
	} else {
		for (; *s != '\0' && strchr("; \t\"", *s) == NULL; s++)
			add_char(out, *s);
	}
	kept = out->value_len < sizeof(out->value) ? out->value_len
						   : sizeof(out->value) - 1;
	out->value[kept] = '\0';
	*p = s;
	return MIME_PARAM;
}

/* The value of q among parameters, 1 when it is not there; one that is no
 * weight counts as 0. */
static double weight(const char *s, const char *end)
{
	double q = 1;

	while (s < end)
		if (*s++ == ';') {
			s = skip_blanks(s);
			if ((*s == 'q' || *s == 'Q') && s[1] == '=')
				q = strtod(s + 2, NULL);
		}
	return q >= 0 && q <= 1 ? q : 0;
}

double mime_accepts(const char *accept, const char *type)
{
	size_t best = 0;
	double q = 0;

	while (*accept != '\0') {
		const char *start = skip_blanks(accept);
		size_t len = strcspn(start, ";, \t");
		bool rest = len >= 3 && memcmp(start + len - 2, "/*", 2) == 0;

		accept += strcspn(accept, ",");
		/* What has to be equal: the longer, the more special. */
		if (rest)
			len = *start == '*' ? 0 : len - 1;
		if (len >= best && strncasecmp(start, type, len) == 0 &&
		    (rest || type[len] == '\0')) {
			best = len;
			q = weight(start, accept);
		}
		accept += *accept == ',';
	}
	return q;
}
