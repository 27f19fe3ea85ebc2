#!/usr/bin/env python3
"""Asks facegate with a signed request; the standard library alone.

Usage: FACEGATE_KEY=... signed.py http://HOST:8080 '/verify?person_id=P' PICTURE.jpg
"""
import hashlib
import hmac
import os
import secrets
import sys
import time
import urllib.error
import urllib.request


def signature(key, method, address, body):
    """The Authorization header of one request; sign each attempt anew."""
    now, nonce = str(int(time.time())), secrets.token_hex(16)
    digest = hashlib.sha256(body).hexdigest()
    text = "\n".join((address, method, now, nonce, digest)).encode()
    secret = hashlib.sha256(key.encode()).digest()
    signed = hmac.new(secret, hashlib.sha256(text).digest(), hashlib.sha256).hexdigest()
    return (f"Facegate-HMAC-SHA256 id={key[3:11]}, time={now}, nonce={nonce}, "
            f"body={digest}, signature={signed}")


def main(server, address, picture):
    with open(picture, "rb") as f:
        body = f.read()
    head = {"Content-Type": "image/jpeg",
            "Authorization": signature(os.environ["FACEGATE_KEY"], "POST", address, body)}
    try:
        with urllib.request.urlopen(urllib.request.Request(server + address, body, head),
                                    timeout=10) as answer:
            print(answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.read().decode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
