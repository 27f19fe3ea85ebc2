"""GET /openapi.json is true: it has the routes that the daemon has, with their
parameters and roles, and what the daemon answers fits its schemas."""

import json
import re
import unittest

from daemon import JPEG, ROOT, Daemon, add_key, made, multipart, small_face

A1, A2, B1 = (small_face(n) for n in ("obama.jpg", "obama2.jpg", "biden.jpg"))
JSON = {"Content-Type": "application/json"}
TYPES = {"string": str, "object": dict, "array": list, "boolean": bool, "null": type(None)}


def read(name):
    with open(f"{ROOT}/{name}", encoding="utf-8") as f:
        return f.read()


class Contract:
    """As much of JSON Schema as the document uses; another keyword is an error."""

    def __init__(self, document):
        self.document = document

    def resolve(self, node):
        while "$ref" in node:
            at = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                at = at[step]
            node = at
        return node

    def is_type(self, value, name):
        if name in ("number", "integer"):
            return (not isinstance(value, bool) and isinstance(value, (int, float))
                    and (name == "number" or isinstance(value, int)))
        return isinstance(value, TYPES[name])

    def fault(self, value, schema, where="$"):
        """What is wrong with a value, or None."""
        schema = self.resolve(schema)
        known = {"type", "enum", "pattern", "minimum", "maximum", "maxLength", "minItems", "maxItems",
                 "uniqueItems", "items", "properties", "required", "additionalProperties", "oneOf",
                 "description", "format"}
        assert set(schema) <= known, set(schema) - known
        if "oneOf" in schema:
            faults = [self.fault(value, s, where) for s in schema["oneOf"]]
            return None if faults.count(None) == 1 else f"{where}: {faults}"
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(self.is_type(value, t) for t in types):
            return f"{where}: {value!r} is no {types}"
        if "enum" in schema and value not in schema["enum"]:
            return f"{where}: {value!r} is none of {schema['enum']}"
        if isinstance(value, str):
            if "pattern" in schema and not re.search(schema["pattern"], value):
                return f"{where}: {value!r} does not fit"
            if schema.get("format") == "date-time" and not re.fullmatch(
                    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value):
                return f"{where}: {value!r} is no time"
        if isinstance(value, list):
            if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 1e9):
                return f"{where}: {len(value)} items"
            faults = (self.fault(v, schema["items"], f"{where}[{i}]") for i, v in enumerate(value))
            return next((f for f in faults if f), None)
        if isinstance(value, dict):
            properties = schema.get("properties", {})
            missing = set(schema.get("required", ())) - set(value)
            extra = set(value) - set(properties)
            if missing or (extra and schema.get("additionalProperties") is False):
                return f"{where}: lacks {missing}, has {extra}"
            faults = (self.fault(v, properties[k], f"{where}.{k}") for k, v in value.items()
                      if k in properties)
            return next((f for f in faults if f), None)
        return None


def routes_of_the_source():
    """{(method, path): (roles, parameters)} as router.c has them."""
    source = read("server/router.c")
    lists = {name: re.findall(r'"(\w+)"', body) for name, body in re.findall(
        r"static const char \*const (\w+)\[\] = \{(.*?)\};", source, re.S)}
    roles = {"DOOR": ["door"], "KIOSK": ["kiosk"], "AUDITOR": ["auditor"], "ROLE_ADMIN": ["admin"],
             "ROLE_ANY": ["door", "kiosk", "auditor"], "DOOR_OR_KIOSK": ["door", "kiosk"], "0": []}
    table = re.findall(r'\{\s*"(\w+)",\s*"(/[^"]*)",\s*(\w+),\s*\w+,\s*\w+,\s*\w+,\s*(\w+),\s*handle_',
                       source)
    return {(m.lower(), p): (roles[r], lists[params]) for m, p, r, params in table}


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(min_face_px=60, deepstack_kib=256)
        key = add_key(cls.d.data_dir, "admin")
        cls.document = cls.d.get("/openapi.json").json
        cls.d.key = key
        cls.contract = Contract(cls.document)

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__()

    def operations(self):
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield method, path, operation

    def test_it_is_the_file_of_the_documents(self):
        self.assertEqual(self.document, json.loads(read("docs/openapi.json")))
        self.assertEqual(self.document["openapi"], "3.1.0")
        version = self.d.get("/version").json["version"]
        self.assertEqual(self.document["info"]["version"], version)

    def test_it_has_every_route_with_its_roles_and_parameters(self):
        real = routes_of_the_source()
        self.assertGreater(len(real), 20)
        told = {(m, p): o for m, p, o in self.operations()}
        self.assertEqual(set(told), set(real))
        names = [o["operationId"] for o in told.values()]
        self.assertEqual(len(names), len(set(names)))
        for at, (roles, params) in real.items():
            o = told[at]
            self.assertEqual(o["x-roles"], roles, at)
            self.assertEqual(o.get("security") == [], not roles, at)
            query = [p["name"] for p in o.get("parameters", ()) if p["in"] == "query"]
            self.assertEqual(set(query), set(params), at)
            path = [p["name"] for p in o.get("parameters", ()) if p["in"] == "path"]
            self.assertEqual(path, re.findall(r"\{(\w+)\}", at[1]), at)

    def test_every_reference_leads_somewhere(self):
        for target in re.findall(r'"\$ref": "([^"]+)"', json.dumps(self.document)):
            self.contract.resolve({"$ref": target})
        told = set(self.document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])
        self.assertEqual(told, set(re.findall(r"^## (\w+)\n\nHTTP", read("docs/errors.md"), re.M)))

    def send(self, method, path, where, body=None, headers=None):
        """Sends a request to an operation and holds the answer against its schema."""
        r = self.d.request(method.upper(), where, body, headers)
        o = self.document["paths"][path][method]
        self.assertIn(str(r.status), o["responses"], (method, where, r.body))
        answer = self.contract.resolve(o["responses"][str(r.status)])
        kind = r.headers.get("Content-Type", "").split(";")[0]
        self.assertEqual("content" in answer, bool(kind), where)
        if kind:
            self.assertIn(kind, answer["content"], where)
        if kind.endswith("json") and not kind.endswith("ndjson"):
            fault = self.contract.fault(r.json, answer["content"][kind]["schema"])
            self.assertIsNone(fault, (where, r.body[:500]))
        self.seen.add((method, path))
        return r

    def test_what_every_route_answers_fits(self):
        self.seen = set()
        send, doc = self.send, lambda o: (json.dumps(o), JSON)
        pair = multipart([("image", A1), ("image", A2)])
        nothing = made("-", 100, 100)
        P, T, D = "/people/{person_id}", "/people/{person_id}/templates", "/doors/{door_id}"
        whole = {"person_id": "p", "name": "N", "groups": ["g"], "card": {"facility": 1, "number": 2},
                 "valid_from": "2020-01-01T00:00:00Z", "metadata": {"a": [1]}}
        send("post", "/people", "/people", *doc(whole))
        send("post", "/people", "/people", *doc(whole))  # 409
        send("post", "/people", "/people", "{}", {"Content-Type": "text/plain"})
        send("post", "/enroll", "/enroll?person_id=p", A1, JPEG)
        send("post", "/enroll", "/enroll?person_id=q", A1, JPEG)  # 409
        send("post", "/enroll", "/enroll?person_id=q", nothing, JPEG)
        send("post", "/enroll", "/enroll?person_id=q", made("obama.jpg", 480, 600, "light=14"), JPEG)
        send("patch", P, "/people/p", *doc({"valid_from": None}))
        send("patch", P, "/people/x", *doc({}))
        for where in ("/people/p", "/people/x"):
            send("get", P, where)
        send("get", "/people", "/people?limit=1")
        send("get", "/people", "/people?limit=0")
        number = send("get", T, "/people/p/templates").json["templates"][0]["template_id"]
        rules = {"target_fmr": 1e-4, "credential": "wiegand26", "groups": ["g"],
                 "windows": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
                              "from": "00:00", "to": "24:00"}]}
        for _ in range(2):
            send("put", D, "/doors/n", *doc(rules))
        send("put", D, "/doors/n", *doc({"timezone": "x"}))
        send("get", D, "/doors/n")
        send("get", "/doors", "/doors")
        for route in ("/verify", "/identify"):
            who = "person_id=p&" if route == "/verify" else "top=3&"
            for picture in (A2, small_face("biden.jpg"), nothing):
                send("post", route, f"{route}?{who}door_id=n", picture, JPEG)
            send("post", route, f"{route}?{who}", A2, JPEG)
            send("post", route, f"{route}?{who}door_id=m", A2, JPEG)  # 404
        allowed = send("post", "/verify", "/verify?person_id=p&door_id=n", A2, JPEG).json
        self.assertEqual(allowed["credential"]["bits"], 26)
        send("post", "/compare", "/compare", *pair)
        send("post", "/compare", "/compare", A1, JPEG)
        send("post", "/detect", "/detect", A1, JPEG)
        send("post", "/detect", "/detect", b"no jpeg", JPEG)
        for name, parts in (("register", [("image", B1), ("userid", b"z")]), ("register", []),
                            ("recognize", [("image", A2)]), ("recognize", []), ("list", []),
                            ("match", [("image", A1), ("image", A2)]), ("match", []),
                            ("delete", [("userid", b"z")]), ("delete", [])):
            send("post", "/v1/vision/face/" + name, "/v1/vision/face/" + name, *multipart(parts))
        row = send("get", "/logs", "/logs").json["logs"][0]["log_id"]
        for accept in ("text/csv", "application/x-ndjson"):
            send("get", "/logs", "/logs", None, {"Accept": accept})
        send("get", "/logs", "/logs?decision=perhaps")
        send("get", "/audit", "/audit?limit=200")
        send("get", "/audit", "/audit?limit=0")
        send("get", "/logs/{log_no}", f"/logs/{row}")
        send("get", "/logs/{log_no}", "/logs/999999")
        for path in ("/", "/favicon.ico"):
            send("get", path, path)
        for where in ("/console/app.js", "/console/nothing"):
            send("get", "/console/{file_id}", where)
        for path in ("/metrics", "/healthz", "/readyz", "/version", "/openapi.json"):
            send("get", path, path)
            send("get", path, path + "?x=1")
        for where in (f"/people/p/templates/{number}", f"/people/p/templates/{number}"):
            send("delete", T + "/{template_no}", where)
        for where in ("/people/p", "/people/p"):
            send("delete", P, where)
        for where in ("/doors/n", "/doors/n"):
            send("delete", D, where)
        self.assertEqual(self.seen, {(m, p) for m, p, _ in self.operations()})
        for method, path, o in self.operations():  # without a key
            if o["x-roles"]:
                send(method, path, re.sub(r"\{\w+\}", "1", path), None, {"X-Api-Key": ""})


if __name__ == "__main__":
    unittest.main()
