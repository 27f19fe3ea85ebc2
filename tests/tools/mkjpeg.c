/* Makes a JPEG of a small photograph, for the tests over HTTP: scaled to the
 * height asked for, set in the middle of the width, with noise that makes the
 * file as heavy as a camera's, and coded in one of the ways JPEG allows.
 *
 * usage: mkjpeg IN.jpg|- OUT.jpg WIDTH HEIGHT [OPTION...]
 *   grey cmyk ycck rgb   the colours of the file; YCbCr without
 *   progressive          many scans
 *   twice                the photograph at both sides
 *   row                  the photograph over and over, side by side
 *   crop=X,Y,W,H         only that part of the photograph
 *   turned=N             stored so that EXIF orientation N shows it upright
 *   light=N              percent of its brightness
 *   blur=N               each pixel the mean of 2N + 1 by 2N + 1
 *   tilt=N shift=N       turned by N degrees, then moved left by N pixels
 *   noise=N quality=N    the noise's height and the quality, 16 and 98
 * Without a photograph (-) there is noise of every height alone.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

struct photo {
	unsigned width, height;
	uint8_t *rgb; /* NULL: none */
};

struct canvas {
	unsigned width, height; /* upright */
	bool twice, row;
	unsigned crop[4]; /* W is 0: the whole */
	int noise, quality, turned, light, blur, tilt, shift;
	uint32_t state; /* of the noise */
	J_COLOR_SPACE colours;
	bool progressive;
};

static bool load(const char *path, struct photo *p)
{
	struct jpeg_decompress_struct in;
	struct jpeg_error_mgr err;
	FILE *f = fopen(path, "rb");
	JSAMPROW row;

	if (f == NULL)
		return false;
	in.err = jpeg_std_error(&err);
	jpeg_create_decompress(&in);
	jpeg_stdio_src(&in, f);
	jpeg_read_header(&in, TRUE);
	in.out_color_space = JCS_RGB;
	jpeg_start_decompress(&in);
	p->width = in.output_width;
	p->height = in.output_height;
	p->rgb = malloc((size_t)p->width * p->height * 3);
	while (p->rgb != NULL && in.output_scanline < p->height) {
		row = p->rgb + (size_t)in.output_scanline * p->width * 3;
		jpeg_read_scanlines(&in, &row, 1);
	}
	jpeg_abort_decompress(&in);
	jpeg_destroy_decompress(&in);
	fclose(f);
	return p->rgb != NULL;
}

static int with_noise(struct canvas *c, int v)
{
	c->state = c->state * 1664525u + 1013904223u;
	v += (int)(c->state >> 16) % (2 * c->noise + 1) - c->noise;
	return v < 0 ? 0 : v > 255 ? 255 : v;
}

/* The photograph's pixel at a place of the upright picture, or NULL. */
static const uint8_t *pixel(const struct canvas *c, const struct photo *p,
			    int x, int y)
{
	int wide = p->rgb ? (int)(p->width * c->height / p->height) : 0;
	int width = (int)c->width, height = (int)c->height;
	int left = c->twice ? 0 : (width - wide) / 2;

	if (c->twice && x >= width / 2)
		left = width - wide;
	if (c->row)
		left = x - x % wide;
	if (wide > width || x < left || x >= left + wide || y < 0 ||
	    y >= height)
		return NULL;
	return p->rgb + ((size_t)y * p->height / c->height * p->width +
			 (size_t)(x - left) * p->width / (size_t)wide) *
				3;
}

/* Moves the part to the front. */
static bool crop(struct photo *p, const unsigned part[4])
{
	unsigned x = part[0], y = part[1], w = part[2], h = part[3];

	if (w == 0)
		return true;
	if (h == 0 || x + w > p->width || y + h > p->height)
		return false;
	for (size_t row = 0; row < h; row++)
		memmove(p->rgb + row * w * 3,
			p->rgb + ((y + row) * p->width + x) * 3, w * 3);
	p->width = w;
	p->height = h;
	return true;
}

/* The pixel of the upright picture. */
static void upright(struct canvas *c, const struct photo *p, unsigned x,
		    unsigned y, uint8_t rgb[3])
{
	double turn = c->tilt * 3.14159265358979 / 180;
	double dx = (double)x + c->shift - c->width / 2.0;
	double dy = (double)y - c->height / 2.0;
	int cx = (int)x + c->shift, cy = (int)y, sums[3] = { 0 }, n = 0;

	if (c->tilt != 0) {
		cx = (int)(c->width / 2.0 + dx * cos(turn) + dy * sin(turn));
		cy = (int)(c->height / 2.0 - dx * sin(turn) + dy * cos(turn));
	}
	for (int v = cy - c->blur; v <= cy + c->blur; v++)
		for (int u = cx - c->blur; u <= cx + c->blur; u++, n++) {
			const uint8_t *src = pixel(c, p, u, v);

			for (int i = 0; i < 3; i++)
				sums[i] += src ? src[i] : 90;
		}
	for (int i = 0; i < 3; i++)
		rgb[i] = (uint8_t)with_noise(c, sums[i] / n * c->light / 100);
}

/* The pixel as the file stores it. */
static void stored(struct canvas *c, const struct photo *p, unsigned sx,
		   unsigned sy, uint8_t *out)
{
	unsigned right = c->width - 1, down = c->height - 1;

	switch (c->turned) {
	case 2:
		upright(c, p, right - sx, sy, out);
		break;
	case 3:
		upright(c, p, right - sx, down - sy, out);
		break;
	case 4:
		upright(c, p, sx, down - sy, out);
		break;
	case 5:
		upright(c, p, sy, sx, out);
		break;
	case 6:
		upright(c, p, right - sy, sx, out);
		break;
	case 7:
		upright(c, p, right - sy, down - sx, out);
		break;
	case 8:
		upright(c, p, sy, down - sx, out);
		break;
	default:
		upright(c, p, sx, sy, out);
	}
}

static bool save(const char *path, struct canvas *c, const struct photo *p)
{
	bool four = c->colours == JCS_CMYK || c->colours == JCS_YCCK;
	struct jpeg_compress_struct out;
	struct jpeg_error_mgr err;
	FILE *f = fopen(path, "wb");
	JSAMPROW line;

	if (f == NULL)
		return false;
	out.err = jpeg_std_error(&err);
	jpeg_create_compress(&out);
	jpeg_stdio_dest(&out, f);
	out.image_width = c->turned >= 5 ? c->height : c->width;
	out.image_height = c->turned >= 5 ? c->width : c->height;
	out.input_components = four ? 4 : 3;
	out.in_color_space = four ? JCS_CMYK : JCS_RGB;
	jpeg_set_defaults(&out);
	jpeg_set_colorspace(&out, c->colours);
	jpeg_set_quality(&out, c->quality, TRUE);
	if (c->progressive)
		jpeg_simple_progression(&out);
	line = malloc((size_t)out.image_width * 4);
	if (line == NULL)
		return false;
	/* In such files the four inks are stored inverted: what is left of red
	 * is the cyan, and 255 is no black. */
	memset(line, 255, (size_t)out.image_width * 4);
	jpeg_start_compress(&out, TRUE);
	for (unsigned y = 0; y < out.image_height; y++) {
		for (unsigned x = 0; x < out.image_width; x++)
			stored(c, p, x, y, line + x * (four ? 4 : 3));
		jpeg_write_scanlines(&out, &line, 1);
	}
	jpeg_finish_compress(&out);
	jpeg_destroy_compress(&out);
	free(line);
	return fclose(f) == 0;
}

static bool option(struct canvas *c, const char *text)
{
	if (strcmp(text, "grey") == 0)
		c->colours = JCS_GRAYSCALE;
	else if (strcmp(text, "cmyk") == 0)
		c->colours = JCS_CMYK;
	else if (strcmp(text, "ycck") == 0)
		c->colours = JCS_YCCK;
	else if (strcmp(text, "rgb") == 0)
		c->colours = JCS_RGB;
	else if (strcmp(text, "progressive") == 0)
		c->progressive = true;
	else if (strcmp(text, "twice") == 0)
		c->twice = true;
	else if (strcmp(text, "row") == 0)
		c->row = true;
	else if (strncmp(text, "crop=", 5) == 0)
		return sscanf(text, "crop=%u,%u,%u,%u", &c->crop[0],
			      &c->crop[1], &c->crop[2], &c->crop[3]) == 4;
	else
		return sscanf(text, "turned=%d", &c->turned) == 1 ||
		       sscanf(text, "light=%d", &c->light) == 1 ||
		       sscanf(text, "blur=%d", &c->blur) == 1 ||
		       sscanf(text, "tilt=%d", &c->tilt) == 1 ||
		       sscanf(text, "shift=%d", &c->shift) == 1 ||
		       sscanf(text, "noise=%d", &c->noise) == 1 ||
		       sscanf(text, "quality=%d", &c->quality) == 1;
	return true;
}

int main(int argc, char **argv)
{
	struct canvas c = { .light = 100,
			    .noise = 16,
			    .quality = 98,
			    .state = 1,
			    .colours = JCS_YCbCr };
	struct photo p = { 0 };
	bool ok = argc >= 5;

	if (ok && strcmp(argv[1], "-") == 0)
		c.noise = 255;
	else
		ok = ok && load(argv[1], &p);
	if (ok) {
		c.width = (unsigned)strtoul(argv[3], NULL, 10);
		c.height = (unsigned)strtoul(argv[4], NULL, 10);
		ok = c.width > 0 && c.height > 0;
	}
	for (int i = 5; i < argc && ok; i++)
		ok = option(&c, argv[i]);
	ok = ok && crop(&p, c.crop) && save(argv[2], &c, &p);
	free(p.rgb);
	return ok ? 0 : 2;
}
