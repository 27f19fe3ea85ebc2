/* The eight EXIF orientations as steps through memory, so that a picture is
 * stored upright as it is decoded and never turned afterwards. No state. */
#include "image/orient.h"

struct orient_layout orient_layout(uint8_t *p, uint32_t width_px,
				   uint32_t height_px, size_t stride,
				   size_t pixel, unsigned orientation)
{
	ptrdiff_t px = (ptrdiff_t)pixel, row = (ptrdiff_t)stride;
	ptrdiff_t right = px * ((ptrdiff_t)width_px - 1);
	ptrdiff_t bottom = row * ((ptrdiff_t)height_px - 1);

	switch (orientation) {
	case 2:
		return (struct orient_layout){ p + right, -px, row };
	case 3:
		return (struct orient_layout){ p + right + bottom, -px, -row };
	case 4:
		return (struct orient_layout){ p + bottom, px, -row };
	case 5:
		return (struct orient_layout){ p, row, px };
	case 6:
		return (struct orient_layout){ p + right, row, -px };
	case 7:
		return (struct orient_layout){ p + right + bottom, -row, -px };
	case 8:
		return (struct orient_layout){ p + bottom, -row, px };
	default:
		return (struct orient_layout){ p, px, row };
	}
}
