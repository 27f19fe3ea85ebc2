"""Pictures that are turned, damaged, huge or no pictures at all."""

import os
import struct
import subprocess
import tempfile
import unittest

from daemon import FACES, MKJPEG, Daemon, face, sanitized, small_face

from clitool import grey_jpeg


def segment(marker, payload):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload


def after_soi(jpeg, extra):
    return jpeg[:2] + extra + jpeg[2:]


def orientation(value):
    return segment(0xe1, b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01" + b"\x01\x12\0\x03\0\0\0\x01"
                   + struct.pack(">H", value) + b"\0\0\0\0\0\0")


def frame_header(jpeg):
    i = 2
    while jpeg[i + 1] not in (0xc0, 0xc2):
        i += 2 + struct.unpack(">H", jpeg[i + 2:i + 4])[0]
    return i


def claiming(jpeg, width, height):
    i = frame_header(jpeg)
    return jpeg[:i + 5] + struct.pack(">HH", height, width) + jpeg[i + 9:]


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
        with tempfile.NamedTemporaryFile(suffix=".jpg") as f:
            subprocess.run([MKJPEG, os.path.join(FACES, "obama.jpg"), f.name, "4000", "3000"], check=True)
            big = f.read()
        self.assertGreater(len(big), 8_000_000)
        with Daemon() as d:
            self.assertEqual(d.post("/enroll?person_id=p", face("obama2.jpg")).status, 201)
            j = d.post("/verify?person_id=p", big).json
            self.assertEqual(j["decision"], "allow")
            self.assertLessEqual(j["pool_peak_bytes"], 2 << 20)
            if not sanitized():
                self.assertLessEqual(d.status("VmHWM"), 16 << 10)


if __name__ == "__main__":
    unittest.main()
