#!/usr/bin/env python3
"""Writes the seeds of the fuzzers into corpus/: one small input for each thing
that a parser knows. usage: seeds.py MKJPEG
"""
import base64
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def write(fuzzer, name, *parts):
    folder = HERE / "corpus" / fuzzer
    folder.mkdir(parents=True, exist_ok=True)
    data = b"".join(p if isinstance(p, bytes) else bytes([p]) if isinstance(p, int)
                    else p.encode() for p in parts)
    (folder / f"seed-{name}").write_bytes(data)


def picture(mkjpeg, *options, width=24, height=16):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jpg"
        subprocess.run([mkjpeg, "-", path, str(width), str(height), "quality=30", *options],
                       check=True)
        return path.read_bytes()


def values():
    exif = (b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0")
    write("values", "exif-little", 0, exif)
    write("values", "exif-big", 0, b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0")
    write("values", "time", 1, "2026-01-31T12:34:56.789Z")
    write("values", "time-number", 1, "1767225600000")
    for i, zone in enumerate(["Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3", "<+0330>-3:30",
                              "AEST-10AEDT,J60/2,300/-1:30:15", "UTC"]):
        write("values", f"zone-{i}", 2, zone)
    days = '["mon","tue","wed","thu","fri","sat","sun"]'
    write("values", "windows", 3, "UTC\n", f'[{{"days":{days},"from":"08:00","to":"18:00"}}]')
    write("values", "windows-night", 3, "Europe/Berlin\n",
          '[{"days":["fri"],"from":"22:00","to":"06:00"},{"days":["sun"],"from":"00:00",'
          '"to":"24:00"}]')
    for form in range(4):
        write("values", f"card-{form}", 4, form, (17).to_bytes(8, "little"),
              (4321).to_bytes(8, "little"))
    write("values", "base64", 5, base64.b64encode(bytes(range(50))))
    write("values", "mime", 6, 'multipart/form-data; boundary="a b"; charset=utf-8')
    write("values", "mime-quoted", 6, 'form-data; name="a\\"b"; filename=x')
    write("values", "uri", 7, "/people/anna%20x?limit=3&after=%41")
    card = (7).to_bytes(8, "little") + (1234).to_bytes(8, "little")
    write("values", "person", 8, card, b'Anna\0{"a":1}\0')
    write("values", "template", 9, bytes(128), b"\0\0\x80\x3c\0\0\xe0\x40")


def config():
    write("config", "file", 0, "# c\nlisten = [::1]:8080\nworkers = 4\ntarget_fmr = 1e-3\n"
          "jpeg_strict = true\nmqtt_host = broker\nmqtt_topic = a/b\n")
    write("config", "sample", 0, (ROOT / "config" / "facegate.conf").read_bytes())
    write("config", "set", 0, "listen = 0.0.0.0:0\ndata_dir = /d\nmodels_dir = m\n"
          "embedder = fast\nlog_level = debug\npool_kib = 4096\nwebhook_url = https://h/x\n"
          "webhook_secret_file = s\nmin_face_px = 20\nconnections_max = 8\n")
    write("config", "environment", 1, "WORKERS=3\nLISTEN=127.0.0.1:1\nISA=scalar\nCONFIG=x")
    key = "0123456789abcdef" * 4
    write("config", "api-keys", 2, f"facegate keys 1\n01234567 admin 1700000000000 {key} \n"
          f"89abcdef door 1700000000001 {key} North door\n")
    write("config", "encryption-keys", 3, f"facegate key 1\n3 {key}\n12 {key}\n")
    write("config", "secret", 4, "correct horse\nbattery\n")


def model():
    write("model", "toy", (ROOT / "tests" / "golden" / "toy.fgm").read_bytes())


def lists():
    write("lists", "csv", 0, "person_id,name,file\nanna,\"Anna, A.\",a.jpg,b.jpg\r\n"
          "bert,,\"b\"\"1\"\".jpg\"\n\n")
    write("lists", "csv-bom", 0, b"\xef\xbb\xbf", "anna,Anna,/a.jpg\n")
    write("lists", "report", 1, '{"person_id":"anna","picture":"a.jpg","result":"enrolled"}\n'
          '{"person_id":"bert","picture":"b.jpg","result":"no_face"}\n'
          '{"person_id":"anna","picture":"a.jpg","result":"enrolled","template_id":3,'
          '"server":"gate"}\n{"person')
    pairs = "2\t1\nAnna\t1\t2\nAnna\t1\tBert\t1\nBert\t1\t2\nAnna\t2\tBert\t2\n"
    write("lists", "pairs", 2, pairs)
    write("lists", "errata", 3, "Anna Bert # c\nCarl_May 3\nAnna 1 2\nAnna 1 Bert 1\n")
    write("lists", "attributes", 4, "# columns\n#\tperson\timagenum\tMale\tSmiling\tSunglasses\n"
          "Anna\t1\t-1.5\t0.2\t-\nCarl May\t3\t1\t2\t3\n")
    write("lists", "crop", 5, b"P6\n8 8\n255\n", bytes(192))
    at = '"created_at":"2026-01-31T12:34:56.789Z"'
    write("lists", "person", 6, '{"person_id":"anna","name":"Anna","groups":["a"],"valid_from":null,'
          f'"card":{{"facility":1,"number":2}},"metadata":{{"a":[1]}},{at}}}')
    write("lists", "template", 6, f'{{"model":"m@1","quality":50.5,{at},"scale":0.0883883476,'
          f'"length":5.5,"template":[{",".join(["1"] * 128)}]}}')


def database():
    write("db", "whole", 0)
    write("db", "readonly", 1)
    write("db", "restore", 2)
    write("db", "wal", 129)
    write("db", "wal-readonly", 130)
    write("db", "cut", 0, b"\x00\x20\x00")
    write("db", "id", 0, b"\x44\x00\x04abcd")
    write("db", "version", 0, b"\x3c\x00\x04\x00\x00\x00\x02")
    for page in range(1, 16):
        write("db", f"cells-{page}", page % 3, (page * 4096 + 3).to_bytes(2, "little"), b"\x02\xff\xff")
        write("db", f"end-{page}", 2, (page * 4096 + 4060).to_bytes(2, "little"),
              b"\x08\x01\x02\x03\x04\x05\x06\x07\x08")


def upload(jpeg):
    write("upload", "raw", 0, 5, jpeg)
    write("upload", "form", 1, 3, '--b\r\nContent-Disposition: form-data; name="image"; '
          'filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n', jpeg, '\r\n--b\r\n'
          'Content-Disposition: form-data; name=person_id\r\n\r\nanna\r\n--b--\r\n')
    text = base64.b64encode(jpeg).decode()
    write("upload", "json", 2, 7, f'{{"image":"{text}","person_id":"anna","top":3,"x":true}}')
    write("upload", "json-list", 2, 200, f'{{"person_id":"a\\u00e9","images":["{text}",'
          f'"data:image/jpeg;base64,{text}"]}}')
    write("upload", "document", 3, 1, '{"person_id":"anna","groups":["a"]}')
    write("upload", "deepstack", 4, 9, '--b\r\nContent-Disposition: form-data; name="userid"'
          '\r\n\r\nanna\r\n--b\r\nContent-Disposition: form-data; name="image1"; filename="a"'
          '\r\n\r\n', jpeg, '\r\n--b--\r\n')
    write("upload", "urlencoded", 5, 3, "userid=Anna+A%2e&min_confidence=0.5&x=")
    write("upload", "typed", 6, 9, 'multipart/form-data; charset=x; boundary="q r"\n'
          '--q r\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--q r--')


def jpegs(mkjpeg):
    for i, options in enumerate([[], ["grey"], ["cmyk"], ["progressive"], ["rgb"], ["ycck"],
                                 ["turned=6"], ["progressive", "grey", "turned=3"]]):
        write("jpeg", "-".join(["picture", *options]).replace("=", ""), 3 * i,
              picture(mkjpeg, *options))


def request(line, *headers, body=b"", key="KEY1"):
    head = [line + " HTTP/1.1", "Host: x", *headers]
    if key:
        head.append(f"X-Api-Key: {key}")
    if body:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def http(jpeg):
    document = "Content-Type: application/json"
    person = (b'{"person_id":"anna","name":"Anna","groups":["staff"],"metadata":{"a":1},'
              b'"valid_from":"2026-01-01T00:00:00Z","valid_until":null,'
              b'"card":{"facility":7,"number":1234}}')
    door = (b'{"target_fmr":1e-4,"min_score":null,"groups":["staff"],"timezone":"UTC",'
            b'"windows":[{"days":["mon"],"from":"08:00","to":"18:00"}],"credential":"wiegand26"}')
    add = request("POST /people", document, body=person)
    write("http", "people", add, request("GET /people?limit=3&after=a"),
          request("GET /people/anna"), request("GET /people/anna/templates?limit=2"),
          request("DELETE /people/anna"))
    write("http", "patch", add, request("PATCH /people/anna",
          "Content-Type: application/merge-patch+json", body=b'{"name":null,"groups":[]}'),
          request("DELETE /people/anna/templates/3"))
    write("http", "doors", request("PUT /doors/north", document, body=door),
          request("GET /doors/north"), request("GET /doors?limit=1"),
          request("DELETE /doors/north"))
    write("http", "logs", request("GET /logs?decision=deny&from=2026-01-01T00:00:00Z&to=9&"
                                  "min_score=0.5&before=9&limit=2"),
          request("GET /logs?after=0&reason=match&person_id=a&door_id=b", "Accept: text/csv"),
          request("GET /logs", "Accept: application/x-ndjson"), request("GET /logs/1"))
    write("http", "state", request("GET /healthz", key=""), request("GET /readyz", key=""),
          request("GET /version", key=""), request("HEAD /metrics"))
    write("http", "files", request("GET /console/app.js", key=""),
          request("GET /", 'If-None-Match: "x"', key=""), request("GET /openapi.json", key=""))
    picture_type = "Content-Type: image/jpeg"
    for route in ["enroll?person_id=anna&name=A", "verify?person_id=anna&door_id=north",
                  "identify?top=3&group=staff", "detect"]:
        write("http", route.split("?", maxsplit=1)[0], request(f"POST /{route}", picture_type,
                                                               body=jpeg))
    form = (b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + jpeg + b"\r\n") * 2
    write("http", "compare", request("POST /compare", "Content-Type: multipart/form-data; "
                                     "boundary=b", body=form + b"--b--\r\n"))
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(jpeg), jpeg)
    write("http", "chunked", request("POST /detect", picture_type, "Expect: 100-continue",
                                     "Transfer-Encoding: chunked"), chunk)
    write("http", "door-key", request("GET /people", key="KEY2"),
          request("POST /verify?person_id=a", "Content-Type: application/json", key="KEY2",
                  body=b'{"image":"%s"}' % base64.b64encode(jpeg)))
    write("http", "deepstack", request("POST /v1/vision/face/register",
          "Content-Type: multipart/form-data; boundary=b", body=form.replace(
              b'"image"', b'"image1"; filename="a.jpg"') + b"--b\r\nContent-Disposition: "
          b'form-data; name="userid"\r\n\r\nAnna\r\n--b--\r\n'),
          request("POST /v1/vision/face/list"),
          request("POST /v1/vision/face/delete",
                  "Content-Type: application/x-www-form-urlencoded", body=b"userid=Anna"))
    write("http", "audit", request("GET /audit?limit=3&before=9"))
    write("http", "bearer", request("GET /people", "Authorization: Bearer KEY1", key=""))
    write("http", "no-key", request("GET /people", "X-Request-Id: r-1", key=""))
    write("http", "wrong", request("BREW /people"), request("POST /people"))
    write("http", "smuggle", request("POST /detect", picture_type, "Content-Length: 3",
                                     "Transfer-Encoding: chunked"), "abc")
    write("http", "folded", "GET /people HTTP/1.0\r\nA: b\r\n c\r\nX-Api-Key: KEY1\r\n\r\n")
    write("http", "address", request("GET /people/%61nna%00?x=%ff&limit"))


def main():
    mkjpeg = sys.argv[1]
    jpeg = picture(mkjpeg)
    values()
    config()
    model()
    lists()
    database()
    upload(jpeg)
    jpegs(mkjpeg)
    http(jpeg)


if __name__ == "__main__":
    main()
