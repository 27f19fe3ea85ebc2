#include "jsonmembers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* jansson calls a string that it had no memory for a syntax error, so failed
 * allocations are noted here. */
static void *(*allocate)(size_t n);
static _Thread_local bool out_of_memory;

static void *allocate_noting(size_t n)
{
	void *p = allocate(n);

	if (p == NULL)
		out_of_memory = true;
	return p;
}

void jsonmembers_init(void *(*alloc)(size_t n))
{
	allocate = alloc;
	json_set_alloc_funcs(allocate_noting, free);
}

static enum status bad_json(struct body *b, const char *what)
{
	return err_set(&b->err, ST_BAD_JSON, "%s", what);
}

static enum status syntax_error(const json_error_t *jerr, struct errinfo *err)
{
	const char *what;

	if (out_of_memory)
		return err_set(err, ST_NO_MEMORY, "Out of memory.");
	/* jansson's own texts quote the body, so they are not passed on. */
	switch (json_error_code(jerr)) {
	case json_error_duplicate_key:
		return err_set(err, ST_BAD_JSON, "A member is given twice.");
	case json_error_invalid_utf8:
		what = "a string is not UTF-8";
		break;
	case json_error_null_character:
	case json_error_null_byte_in_key:
		what = "a string contains NUL";
		break;
	case json_error_numeric_overflow:
		what = "a number is out of range";
		break;
	default:
		what = "there is a syntax error";
		break;
	}
	return err_set(err, ST_BAD_JSON,
		       "The body is not valid JSON: %s in line %d.", what,
		       jerr->line);
}

json_t *jsonmembers_load(const char *text, size_t len, struct errinfo *err)
{
	json_error_t jerr;
	json_t *root;

	out_of_memory = false;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &jerr);
	if (root == NULL)
		(void)syntax_error(&jerr, err);
	return root;
}

/* The shortest of the usual forms that reads back as the same number. */
static int print_real(char *out, size_t cap, double x)
{
	int n = 0;

	for (int digits = 15; digits <= 17; digits++) {
		n = snprintf(out, cap, "%.*g", digits, x);
		if (strtod(out, NULL) == x)
			break;
	}
	return n;
}

static enum status check_image(struct body *b, const json_t *value, bool seen)
{
	if (!seen)
		return bad_json(b, "The name image is written with escapes.");
	if (!json_is_string(value))
		return bad_json(b, "image must be a string.");
	return ST_OK;
}

static enum status check_images(struct body *b, const json_t *value, bool seen)
{
	if (!seen)
		return bad_json(b, "The name images is written with escapes.");
	if (!json_is_array(value))
		return bad_json(b, "images must be an array of strings.");
	return ST_OK;
}

static enum status add_member(struct body *b, const char *name,
			      const json_t *value)
{
	const char *text = NULL;
	char number[40];
	size_t len = 0;

	switch (json_typeof(value)) {
	case JSON_STRING:
		text = json_string_value(value);
		len = json_string_length(value);
		break;
	case JSON_INTEGER:
		len = (size_t)snprintf(number, sizeof(number),
				       "%" JSON_INTEGER_FORMAT,
				       json_integer_value(value));
		text = number;
		break;
	case JSON_REAL:
		len = (size_t)print_real(number, sizeof(number),
					 json_real_value(value));
		text = number;
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		text = json_is_true(value) ? "true" : "false";
		len = strlen(text);
		break;
	default:
		return bad_json(b, "Members are strings, numbers or booleans; "
				   "only images is an array.");
	}
	return paramstore_add(&b->params, name, text, len, &b->err);
}

void jsonmembers_read(struct body *b, bool image_seen, bool images_seen)
{
	json_t *root, *value;
	const char *text, *name;
	enum status st = ST_OK;
	size_t len;

	text = paramstore_collected(&b->params, &len);
	root = jsonmembers_load(text, len, &b->err);
	paramstore_drop_collected(&b->params);
	if (root == NULL)
		return;
	json_object_foreach(root, name, value)
	{
		if (strcmp(name, "image") == 0)
			st = check_image(b, value, image_seen);
		else if (strcmp(name, "images") == 0)
			st = check_images(b, value, images_seen);
		else
			st = add_member(b, name, value);
		if (st != ST_OK)
			break;
	}
	json_decref(root);
}
