/* Makes a large photograph of a small one, for the tests over HTTP: the picture
 * is scaled to the height asked for, set in the middle of the width, and given
 * noise, so that the file is as heavy as a camera's.
 *
 * usage: mkjpeg IN.jpg OUT.jpg WIDTH HEIGHT
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

int main(int argc, char **argv)
{
	struct jpeg_decompress_struct in;
	struct jpeg_compress_struct out;
	struct jpeg_error_mgr err;
	unsigned width, height, wide, state = 1;
	FILE *f, *g;
	JSAMPROW row;
	uint8_t *rgb, *line;

	if (argc != 5)
		return 2;
	width = (unsigned)strtoul(argv[3], NULL, 10);
	height = (unsigned)strtoul(argv[4], NULL, 10);
	f = fopen(argv[1], "rb");
	g = fopen(argv[2], "wb");
	if (f == NULL || g == NULL || width == 0 || height == 0)
		return 2;
	in.err = out.err = jpeg_std_error(&err);
	jpeg_create_decompress(&in);
	jpeg_stdio_src(&in, f);
	jpeg_read_header(&in, TRUE);
	in.out_color_space = JCS_RGB;
	jpeg_start_decompress(&in);
	rgb = malloc((size_t)in.output_width * in.output_height * 3);
	line = malloc((size_t)width * 3);
	if (rgb == NULL || line == NULL)
		return 2;
	while (in.output_scanline < in.output_height) {
		row = rgb + (size_t)in.output_scanline * in.output_width * 3;
		jpeg_read_scanlines(&in, &row, 1);
	}
	wide = in.output_width * height / in.output_height;
	jpeg_create_compress(&out);
	jpeg_stdio_dest(&out, g);
	out.image_width = width;
	out.image_height = height;
	out.input_components = 3;
	out.in_color_space = JCS_RGB;
	jpeg_set_defaults(&out);
	jpeg_set_quality(&out, 98, TRUE);
	jpeg_start_compress(&out, TRUE);
	for (unsigned y = 0; y < height; y++) {
		const uint8_t *src = rgb +
				     (size_t)(y * in.output_height / height) *
					     in.output_width * 3;

		for (unsigned x = 0; x < width * 3; x++) {
			unsigned px = x / 3, left = (width - wide) / 2;
			int v = 90;

			if (wide <= width && px >= left && px < left + wide)
				v = src[(px - left) * in.output_width / wide *
						3 +
					x % 3];
			state = state * 1664525u + 1013904223u;
			v += (int)(state >> 27) - 16;
			line[x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
		}
		row = line;
		jpeg_write_scanlines(&out, &row, 1);
	}
	jpeg_finish_compress(&out);
	jpeg_destroy_compress(&out);
	jpeg_destroy_decompress(&in);
	free(rgb);
	free(line);
	fclose(f);
	return fclose(g) == 0 ? 0 : 2;
}
