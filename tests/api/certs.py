"""Certificates for tests, made by the openssl command."""

import os
import ssl
import subprocess
import tempfile

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

CA_CONFIG = """[ca]
default_ca = a
[a]
database = {0}/index
new_certs_dir = {0}
rand_serial = yes
default_md = sha256
copy_extensions = copy
policy = p
[p]
commonName = supplied
"""


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


class Authority:
    """A certificate authority in a folder of its own: NAME.pem and NAME.key."""

    def __init__(self, folder):
        self.folder = tempfile.mkdtemp(dir=folder)
        self.pem = self.path("ca.pem")
        openssl("req", "-x509", *CURVE, "-keyout", self.path("ca.key"), "-out", self.pem,
                "-days", "30", "-subj", "/CN=test authority")

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, *extensions, expired=False, days=30):
        """A certificate and its key, as paths."""
        pem, key, request = (self.path(name + end) for end in (".pem", ".key", ".csr"))
        added = [word for e in extensions for word in ("-addext", e)]
        openssl("req", *CURVE, "-keyout", key, "-out", request, "-subj", f"/CN={name}", *added)
        if expired:  # what openssl x509 of Debian 12 cannot date
            for path, text in (("index", ""), ("ca.cnf", CA_CONFIG.format(self.folder))):
                with open(self.path(path), "w", encoding="ascii") as f:
                    f.write(text)
            openssl("ca", "-batch", "-config", self.path("ca.cnf"), "-in", request, "-out", pem,
                    "-notext", "-cert", self.pem, "-keyfile", self.path("ca.key"),
                    "-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
        else:
            openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey",
                    self.path("ca.key"), "-copy_extensions", "copy", "-days", str(days),
                    "-out", pem)
        os.chmod(key, 0o400)
        return pem, key

    def server(self, name="server", days=30):
        return self.issue(name, "subjectAltName=DNS:localhost,IP:127.0.0.1", days=days)

    def client(self, name="client", expired=False):
        return self.issue(name, "extendedKeyUsage=clientAuth", expired=expired)

    def context(self, pair=None):
        """What a client of this authority's servers asks with."""
        context = ssl.create_default_context(cafile=self.pem)
        if pair:
            context.load_cert_chain(*pair)
        return context

    def keys(self, pair, clients=False):
        """Configuration keys of a daemon with this certificate."""
        keys = {"tls_cert": pair[0], "tls_key": pair[1]}
        return {**keys, "tls_client_ca": self.pem} if clients else keys


def replace(source, target):
    """As a renewal does it: whole or not at all."""
    with open(source, "rb") as f, open(target + ".new", "wb") as out:
        out.write(f.read())
    os.chmod(target + ".new", 0o400)
    os.replace(target + ".new", target)
