#include "jsonscan.h"

#include <string.h>

#include "jsonmembers.h"

enum {
	AT_START,
	IN_OBJECT,	/* outside of strings, here or in the array of images */
	IN_STRING,	/* that is copied */
	IN_ESCAPE,	/* of such a string, behind the backslash */
	IN_PICTURE,	/* a string that is decoded */
	PICTURE_ESCAPE, /* behind a backslash */
	PICTURE_HEX,	/* the four digits behind \u */
	AFTER_OBJECT
};

/* Members; the values of the last two are bits of struct jsonscan's seen. */
enum { NO_MEMBER = 0, IMAGE = 1, IMAGES = 2, OTHER_MEMBER = 4 };

/* What browsers put before the base64 of a JPEG. */
static const char lead[] = "data:image/jpeg;base64,";
#define LEAD_SCHEME 5 /* "data:": its letters alone could be base64 */
#define LEAD_OVER   UINT8_MAX

#define RUN_BYTES 256

void jsonscan_begin(struct jsonscan *s)
{
	memset(s, 0, sizeof(*s));
	s->state = AT_START;
}

static enum status bad_json(struct body *b, const char *what)
{
	return err_set(&b->err, ST_BAD_JSON, "%s", what);
}

static enum status copy(struct body *b, uint8_t c)
{
	/* jansson's reader takes a NUL between tokens for nothing at all. */
	if (c == '\0')
		return bad_json(b, "The body contains a NUL byte.");
	return paramstore_collect(&b->params, &c, 1, &b->err);
}

static enum status bad_base64(const struct jsonscan *s, struct body *b,
			      const char *what)
{
	if (s->depth == 1)
		return err_set(&b->err, ST_BAD_REQUEST, "image %s.", what);
	return err_limit(&b->err, ST_BAD_REQUEST, ERR_NO_NUMBER, s->index,
			 "images[%u] %s.", s->index, what);
}

/* ---- names ---- */

/* A name with an escape in it counts as another member here, and is refused by
 * jsonscan_finish if it turns out to mean one of the two. */
static enum status end_name(struct jsonscan *s, struct body *b)
{
	size_t n;
	const char *name = paramstore_collected(&b->params, &n);

	name += n - s->name_len;
	s->in_name = false;
	s->named = OTHER_MEMBER;
	if (s->name_len == 5 && memcmp(name, "image", 5) == 0)
		s->named = IMAGE;
	else if (s->name_len == 6 && memcmp(name, "images", 6) == 0)
		s->named = IMAGES;
	else if (memchr(name, '\\', s->name_len) == NULL)
		/* Now, for its value may be a picture, and too long. */
		return paramstore_check_name(&b->params, name, s->name_len,
					     &b->err);
	return ST_OK;
}

static enum status begin_value(struct jsonscan *s, struct body *b)
{
	s->member = s->named;
	s->named = NO_MEMBER;
	if (++s->members > UPLOAD_PARAMS_MAX + 1)
		return err_limit(&b->err, ST_BAD_REQUEST, UPLOAD_PARAMS_MAX,
				 s->members,
				 "A request may have %d parameters at most.",
				 UPLOAD_PARAMS_MAX);
	if (s->member != IMAGE && s->member != IMAGES)
		return ST_OK;
	if (s->seen == s->member)
		return bad_json(b, "A member is given twice.");
	if (s->seen != 0)
		return err_set(&b->err, ST_BAD_REQUEST,
			       "Either image or images, not both.");
	s->seen = s->member;
	return ST_OK;
}

static enum status feed_string(struct jsonscan *s, struct body *b, uint8_t c)
{
	if (s->state == IN_ESCAPE) {
		s->state = IN_STRING;
	} else if (c == '\\') {
		s->state = IN_ESCAPE;
	} else if (c == '"') {
		s->state = IN_OBJECT;
		if (s->in_name && end_name(s, b) != ST_OK)
			return b->err.status;
		return copy(b, c);
	}
	s->name_len++;
	return copy(b, c);
}

/* ---- between strings ---- */

static enum status begin_string(struct jsonscan *s, struct body *b)
{
	if (s->depth == 2 || s->member == IMAGE) {
		s->state = IN_PICTURE;
		s->member = NO_MEMBER;
		s->lead = 0;
		base64_init(&s->base64);
		if (picring_begin(&b->pictures, &b->err) != ST_OK)
			return b->err.status;
	} else {
		s->state = IN_STRING;
		s->in_name = s->expect_name;
		s->expect_name = false;
		s->name_len = 0;
	}
	return copy(b, '"');
}

/* Inside the array only strings may stand: every other value would cost heap
 * later, and nesting too. */
static enum status feed_array(struct jsonscan *s, struct body *b, uint8_t c)
{
	if (c == ']')
		s->depth = 1;
	else if (c == ',')
		s->index++;
	else if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
		return bad_json(b, "images must be an array of strings.");
	return copy(b, c);
}

static enum status feed_object(struct jsonscan *s, struct body *b, uint8_t c)
{
	if (c == '"')
		return begin_string(s, b);
	if (s->depth == 2)
		return feed_array(s, b, c);
	switch (c) {
	case ':':
		if (begin_value(s, b) != ST_OK)
			return b->err.status;
		break;
	case ',':
		s->expect_name = true;
		s->member = NO_MEMBER;
		break;
	case '[':
		if (s->member == IMAGES) {
			s->member = NO_MEMBER;
			s->depth = 2;
			break;
		}
		/* fallthrough */
	case '{':
		return bad_json(b, "Members are strings, numbers or booleans; "
				   "only images is an array.");
	case '}':
		s->depth = 0;
		s->state = AFTER_OBJECT;
		break;
	default:
		break;
	}
	return copy(b, c);
}

/* Before and after the object. */
static enum status feed_outside(struct jsonscan *s, struct body *b, uint8_t c)
{
	if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
		return ST_OK;
	if (s->state == AFTER_OBJECT)
		return bad_json(b, "Something follows the JSON object.");
	if (c != '{')
		return bad_json(b, "The body must be one JSON object.");
	s->state = IN_OBJECT;
	s->depth = 1;
	s->expect_name = true;
	return copy(b, c);
}

/* ---- pictures ---- */

static enum status decode(struct jsonscan *s, struct body *b, const uint8_t *in,
			  size_t n)
{
	uint8_t out[RUN_BYTES];
	size_t made, took = base64_run(&s->base64, in, n, out, &made);

	picring_put(&b->pictures, out, made);
	if (took < n)
		return bad_base64(s, b, "is not base64");
	return ST_OK;
}

/* The start of a picture string: skips a data: address, and hands what only
 * looked like one to the decoder. */
static enum status feed_lead(struct jsonscan *s, struct body *b, uint8_t c)
{
	size_t held = s->lead;

	if (c == (uint8_t)lead[held]) {
		s->lead = held + 2 == sizeof(lead) ? LEAD_OVER
						   : (uint8_t)(held + 1);
		return ST_OK;
	}
	if (held >= LEAD_SCHEME)
		return bad_base64(s, b,
				  "is a data: address of another kind "
				  "than data:image/jpeg;base64,");
	s->lead = LEAD_OVER;
	if (decode(s, b, (const uint8_t *)lead, held) != ST_OK)
		return b->err.status;
	return decode(s, b, &c, 1);
}

/* One character of a picture string, its escape resolved. */
static enum status feed_char(struct jsonscan *s, struct body *b, uint8_t c)
{
	s->state = IN_PICTURE;
	return s->lead == LEAD_OVER ? decode(s, b, &c, 1) : feed_lead(s, b, c);
}

static enum status end_picture(struct jsonscan *s, struct body *b)
{
	if (s->lead != LEAD_OVER && s->lead > LEAD_SCHEME - 1)
		return bad_base64(s, b, "is an unfinished data: address");
	if (s->lead != LEAD_OVER &&
	    decode(s, b, (const uint8_t *)lead, s->lead) != ST_OK)
		return b->err.status;
	if (!base64_complete(&s->base64))
		return bad_base64(s, b, "is base64 of a wrong length");
	picring_end(&b->pictures);
	s->state = IN_OBJECT;
	return copy(b, '"');
}

static enum status feed_hex(struct jsonscan *s, struct body *b, uint8_t c)
{
	unsigned digit;

	if (c >= '0' && c <= '9')
		digit = c - '0';
	else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		digit = (c | 0x20) - 'a' + 10U;
	else
		return bad_json(b, "A string has a damaged escape.");
	s->hex = (uint16_t)((unsigned)s->hex << 4 | digit);
	if (++s->hex_len < 4)
		return ST_OK;
	if (s->hex >= 0x80)
		return bad_base64(s, b, "is not base64");
	return feed_char(s, b, (uint8_t)s->hex);
}

static enum status feed_escape(struct jsonscan *s, struct body *b, uint8_t c)
{
	if (c == 'u') {
		s->state = PICTURE_HEX;
		s->hex = 0;
		s->hex_len = 0;
		return ST_OK;
	}
	if (c == '/')
		return feed_char(s, b, c);
	if (c != '\0' && strchr("\"\\bfnrt", c) != NULL)
		return bad_base64(s, b, "is not base64");
	return bad_json(b, "A string has a damaged escape.");
}

/* Takes at least one byte. The caller has seen to BODY_SLACK bytes of room. */
static size_t feed_picture(struct jsonscan *s, struct body *b,
			   const uint8_t *data, size_t n)
{
	size_t room = picring_room(&b->pictures);
	uint8_t out[RUN_BYTES];
	size_t took, made;

	if (s->state == IN_PICTURE && s->lead == LEAD_OVER) {
		n = n < room ? n : room;
		n = n < sizeof(out) ? n : sizeof(out);
		took = base64_run(&s->base64, data, n, out, &made);
		picring_put(&b->pictures, out, made);
		if (took > 0)
			return took;
	}
	if (s->state == PICTURE_ESCAPE)
		(void)feed_escape(s, b, data[0]);
	else if (s->state == PICTURE_HEX)
		(void)feed_hex(s, b, data[0]);
	else if (data[0] == '\\')
		s->state = PICTURE_ESCAPE;
	else if (data[0] == '"')
		(void)end_picture(s, b);
	else if (data[0] < 0x20)
		(void)bad_json(b, "A string has a control character.");
	else
		(void)feed_char(s, b, data[0]);
	return 1;
}

size_t jsonscan_feed(struct jsonscan *s, struct body *b, const uint8_t *data,
		     size_t n)
{
	size_t done = 0;

	while (done < n && b->err.status == ST_OK) {
		switch (s->state) {
		case IN_PICTURE:
		case PICTURE_ESCAPE:
		case PICTURE_HEX:
			if (picring_room(&b->pictures) < BODY_SLACK)
				return done;
			done += feed_picture(s, b, data + done, n - done);
			break;
		case IN_STRING:
		case IN_ESCAPE:
			(void)feed_string(s, b, data[done++]);
			break;
		case IN_OBJECT:
			(void)feed_object(s, b, data[done++]);
			break;
		default:
			(void)feed_outside(s, b, data[done++]);
			break;
		}
	}
	return done;
}

void jsonscan_finish(struct jsonscan *s, struct body *b)
{
	if (s->state != AFTER_OBJECT)
		(void)bad_json(b, "The JSON object is not complete.");
	else
		jsonmembers_read(b, s->seen == IMAGE, s->seen == IMAGES);
}
