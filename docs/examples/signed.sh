#!/bin/sh
# Asks facegate with a signed request; needs openssl and curl.
# Usage: FACEGATE_KEY=... signed.sh http://HOST:8080 '/verify?person_id=P' PICTURE.jpg
set -eu
id=$(printf %s "$FACEGATE_KEY" | cut -c 4-11)
secret=$(printf %s "$FACEGATE_KEY" | openssl dgst -sha256 -r | cut -c 1-64)
digest=$(openssl dgst -sha256 -r <"$3" | cut -c 1-64)
now=$(date +%s)
nonce=$(openssl rand -hex 16)
signature=$(printf '%s\nPOST\n%s\n%s\n%s' "$2" "$now" "$nonce" "$digest" |
    openssl dgst -sha256 -binary |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$secret" -r | cut -c 1-64)
curl -sS -H 'Content-Type: image/jpeg' --data-binary "@$3" \
    -H "Authorization: Facegate-HMAC-SHA256 id=$id, time=$now, nonce=$nonce, body=$digest, signature=$signature" \
    "$1$2"
