"""Pictures that are turned, damaged, huge or no pictures at all."""

import os
import re
import struct
import unittest

from daemon import ROOT, Daemon, face, made, sanitized, small_face

from clitool import grey_jpeg


def segment(marker, payload):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload


def after_soi(jpeg, extra):
    return jpeg[:2] + extra + jpeg[2:]


def orientation(value, order=">"):
    """An EXIF segment with that one entry, in either byte order."""
    return segment(0xe1, b"Exif\0\0" + (b"MM" if order == ">" else b"II")
                   + struct.pack(order + "HLHHHLHHL", 42, 8, 1, 0x112, 3, 1, value, 0, 0))


def frame_header(jpeg):
    i = 2
    while jpeg[i + 1] not in (0xc0, 0xc2):
        i += 2 + struct.unpack(">H", jpeg[i + 2:i + 4])[0]
    return i


def claiming(jpeg, width, height):
    i = frame_header(jpeg)
    return jpeg[:i + 5] + struct.pack(">HH", height, width) + jpeg[i + 9:]


def many_scans(scans, side=640):
    """A progressive picture of 12 bytes a scan, each of which is about one bit of one
    coefficient of every block: the code "end of band" runs over all of them."""
    blocks = (side // 8) ** 2
    run = blocks.bit_length() - 1
    bits = f"0{blocks - (1 << run):0{run}b}"
    bits += "1" * (-len(bits) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8, "big")
    one_code = bytes([1] + 15 * [0])
    order = [(k, (low + 1 if low < 13 else 0) << 4 | low)
             for low in range(13, -1, -1) for k in range(1, 64)]
    order += order[-1:] * scans
    return b"".join([
        b"\xff\xd8", segment(0xdb, b"\0" + 64 * b"\x01"),
        segment(0xc2, struct.pack(">BHHB", 8, side, side, 1) + b"\x01\x11\0"),
        segment(0xc4, b"\x00" + one_code + b"\0" + b"\x10" + one_code + bytes([run << 4])),
        segment(0xda, b"\x01\x01\0\0\0\0"), bytes(blocks // 8),
        *[segment(0xda, bytes([1, 1, 0, k, k, bit])) + coded for k, bit in order[:scans - 1]],
        b"\xff\xd9"])


class Pictures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(min_face_px=40)
        cls.picture = small_face("obama.jpg")
        assert cls.d.post("/enroll?person_id=p", cls.picture).status == 201

    @classmethod
    def tearDownClass(cls):
        assert cls.d.post("/verify?person_id=p", cls.picture).json["decision"] == "allow"
        cls.d.__exit__()

    def verify(self, picture):
        return self.d.post("/verify?person_id=p", picture)

    def expect(self, picture, status, code):
        r = self.verify(picture)
        self.assertEqual((r.status, r.json["code"]), (status, code), r.body)
        return r.json

    def test_upright_orientation_is_honoured_and_turned_ones_are_turned(self):
        self.assertEqual(self.verify(after_soi(self.picture, orientation(1))).json["decision"],
                         "allow")
        # A mirrored face is still the same person's; one lying down is not.
        self.assertEqual(self.verify(after_soi(self.picture, orientation(2))).json["decision"],
                         "allow")
        self.assertEqual(self.verify(after_soi(self.picture, orientation(6))).json["decision"],
                         "deny")
        r = self.d.post("/detect", after_soi(self.picture, orientation(6))).json
        plain = self.d.post("/detect", self.picture).json
        self.assertEqual((r["width"], r["height"]), (plain["height"], plain["width"]))
        self.assertEqual(r["orientation"], 6)

    def test_all_eight_orientations_show_the_person_upright(self):
        plain = made("obama.jpg", 480, 600, "noise=0")
        box = self.d.post("/detect", plain).json["faces"][0]["box"]
        for value in range(1, 9):
            turned = made("obama.jpg", 480, 600, "noise=0", f"turned={value}")
            for order in (">", "<"):
                picture = after_soi(turned, orientation(value, order))
                j = self.verify(picture).json
                self.assertEqual(j["decision"], "allow", value)
                for a, b in zip(j["face"]["box"], box):
                    self.assertAlmostEqual(a, b, delta=6, msg=value)
            found = self.d.post("/detect", picture).json
            self.assertEqual((found["width"], found["height"], found["orientation"]),
                             (480, 600, value))

    def test_an_orientation_that_is_none_is_ignored(self):
        for extra in (orientation(0), orientation(9), orientation(65535),
                      orientation(6)[:-8], segment(0xe1, b"Exif\0\0MM"),
                      segment(0xe1, b"Exif\0\0MM\0\x2a\xff\xff\xff\xff" + bytes(20))):
            r = self.verify(after_soi(self.picture, extra))
            self.assertEqual((r.status, r.json.get("decision")), (200, "allow"), extra)

    def test_all_kinds_of_colour_and_coding(self):
        for kind in ("grey", "cmyk", "ycck", "rgb", "progressive"):
            r = self.verify(made("obama.jpg", 480, 600, "noise=0", kind))
            self.assertEqual((r.status, r.json.get("decision")), (200, "allow"), (kind, r.body))

    def test_pictures_too_small_for_any_face(self):
        for side in (1, 2, 11):
            tiny = made("-", side, side)
            r = self.d.post("/enroll?person_id=q", tiny)
            self.assertEqual((r.status, r.json["code"]), (422, "no_face"), side)
            self.assertEqual(self.verify(tiny).json["reason"], "no_face")
            self.assertEqual(self.d.post("/detect", tiny).json["faces"], [])

    def test_noise_is_searched_in_bounded_time_and_memory(self):
        noise = made("-", 640, 480)
        with Daemon() as d:
            before = d.cpu_seconds()
            r = d.post("/enroll?person_id=q", noise)
            self.assertEqual((r.status, r.json["code"]), (422, "no_face"))
            self.assertLess(d.cpu_seconds() - before, 10)
            self.assertLessEqual(d.post("/detect", noise).json["pool_peak_bytes"], 2 << 20)

    def test_a_picture_of_five_thousand_scans(self):
        j = self.d.post("/detect", many_scans(64)).json
        self.assertEqual((j["width"], j["faces"]), (640, []))
        bomb = many_scans(5000)
        self.assertLess(len(bomb), 70000)
        before = self.d.cpu_seconds()
        j = self.expect(bomb, 422, "corrupt_jpeg")
        self.assertEqual((j["limit"], j["found"]), (64, 65))
        self.assertLess(self.d.cpu_seconds() - before, 5)

    def test_progressive_pictures_that_claim_more_than_the_pool(self):
        j = self.expect(claiming(many_scans(60), 4000, 3000), 422, "picture_too_large")
        self.assertGreater(j["found"], j["limit"])

    def test_truncated_at_every_part(self):
        for n in (3, 20, 300, len(self.picture) // 4, len(self.picture) // 2,
                  len(self.picture) - 300):
            self.expect(self.picture[:n], 422, "corrupt_jpeg")

    def test_start_and_end_alone(self):
        self.expect(b"\xff\xd8\xff\xd9", 422, "corrupt_jpeg")

    def test_damaged_huffman_codes(self):
        middle = len(self.picture) // 2
        self.expect(self.picture[:middle] + b"\xff\x00" * 600 + self.picture[middle + 1200:],
                    422, "corrupt_jpeg")

    def test_claimed_sizes(self):
        self.expect(claiming(self.picture, 65500, 65500), 422, "picture_too_large")
        self.expect(claiming(self.picture, 65500, 16), 422, "picture_too_large")
        self.expect(claiming(self.picture, 0, 0), 422, "corrupt_jpeg")

    def test_the_largest_pictures_are_those_that_the_document_says(self):
        with open(os.path.join(ROOT, "docs", "memory.md"), encoding="utf-8") as f:
            row = re.search(r"^\| 2 MiB \| 50 MP \| (\d+x.*)$", f.read(), re.M).group(1)
        sizes = [tuple(map(int, s)) for s in re.findall(r"(\d+)x(\d+)", row)]
        self.assertEqual(len(sizes), 3)
        kinds = [made("obama.jpg", 64, 64, *options) for options in ((), ("progressive",))]
        full_colours = [bytearray(picture) for picture in kinds]
        for picture in full_colours:
            picture[frame_header(picture) + 11] = 0x11  # no more samples of luma
        for picture, (w, h) in zip((full_colours[0], kinds[1], full_colours[1]), sizes):
            with self.subTest(size=(w, h)):
                r = self.verify(claiming(picture, w, h))
                self.assertNotEqual(r.json.get("code"), "picture_too_large", r.body)
                r = self.verify(claiming(picture, w + 16, h + 16))
                self.assertEqual(r.json.get("code"), "picture_too_large", r.body)
        r = self.verify(claiming(kinds[0], 8160, 6120))
        self.assertNotEqual(r.json.get("code"), "picture_too_large", r.body)

    def test_a_photograph_that_fits_in_no_other_form_is_held_in_half_the_memory(self):
        big = made("obama.jpg", 4000, 3000)
        with Daemon(pool_kib=512) as d:
            self.assertEqual(d.post("/enroll?person_id=p", self.picture).status, 201)
            j = d.post("/verify?person_id=p", big).json
            self.assertEqual(j.get("decision"), "allow", j)
            self.assertLessEqual(j["pool_peak_bytes"], 512 << 10)

    def test_features_that_are_not_supported(self):
        i = frame_header(self.picture)
        for marker, precision in ((0xc3, 8), (0xc9, 8), (0xc0, 12)):
            p = bytearray(self.picture)
            p[i + 1], p[i + 4] = marker, precision
            self.expect(bytes(p), 415, "unsupported_jpeg")

    def test_half_a_megabyte_of_comments(self):
        padded = after_soi(self.picture, segment(0xfe, bytes(65000)) * 8)
        plain = self.verify(self.picture).json
        j = self.verify(padded).json
        self.assertEqual((j["decision"], j["score"]), ("allow", plain["score"]))
        self.assertEqual(j["pool_peak_bytes"], plain["pool_peak_bytes"])

    def test_no_face_is_a_deny_at_a_door_and_an_error_at_a_kiosk(self):
        empty = grey_jpeg()
        logs = len(self.d.get("/logs?limit=200").json["logs"])
        j = self.verify(empty).json
        self.assertEqual((j["decision"], j["reason"], j["score"]), ("deny", "no_face", None))
        self.assertEqual(len(self.d.get("/logs?limit=200").json["logs"]), logs + 1)
        r = self.d.post("/enroll?person_id=q", empty)
        self.assertEqual((r.status, r.json["code"], r.json["part"]),
                         (422, "no_face", "image[0]"))

    def test_eyes_too_close_together(self):
        with Daemon(min_inter_eye_px=200) as d:
            r = d.post("/enroll?person_id=p", self.picture)
            self.assertEqual((r.status, r.json["code"], r.json["limit"]),
                             (422, "face_too_small", 200))
            self.assertLess(r.json["found"], 200)

    def test_harmless_warnings_pass_unless_strict(self):
        stray = self.picture[:20] + b"\0\0" + self.picture[20:]
        self.assertEqual(self.verify(stray).json["decision"], "allow")
        with Daemon(jpeg_strict="true", min_face_px=40) as d:
            r = d.post("/enroll?person_id=p", stray)
            self.assertEqual((r.status, r.json["code"]), (422, "corrupt_jpeg"))
            self.assertEqual(d.post("/enroll?person_id=p", self.picture).status, 201)


class Large(unittest.TestCase):
    def test_twelve_megapixels_and_eight_megabytes_in_the_same_pool(self):
        big = made("obama.jpg", 4000, 3000)
        self.assertGreater(len(big), 8_000_000)
        with Daemon() as d:
            self.assertEqual(d.post("/enroll?person_id=p", face("obama2.jpg")).status, 201)
            j = d.post("/verify?person_id=p", big).json
            self.assertEqual(j["decision"], "allow")
            self.assertLessEqual(j["pool_peak_bytes"], 2 << 20)
            if not sanitized():
                self.assertLessEqual(d.status("VmHWM"), 16 << 10)
            print(f"4000x3000, {len(big)} bytes: pool {j['pool_peak_bytes']} bytes, "
                  f"resident at most {d.status('VmHWM')} KiB")


if __name__ == "__main__":
    unittest.main()
