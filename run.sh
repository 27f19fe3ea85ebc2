#!/bin/sh
# Installs what is missing, builds, and runs the daemon in the foreground.
# Arguments go to the daemon; so does FACEGATE_<KEY> in the environment.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$root/.ci/setup.sh"

need_build_tools
need_command curl curl
install_missing
build "$root/build" -DFACEGATE_TESTS=OFF

# What the daemon would take from file, environment and arguments. The folders
# of this checkout stand in for the defaults, which are relative.
config=$("$root/build/facegated" "$@" --print-config)
value() { printf '%s\n' "$config" | sed -n "s/^$1 = //p"; }
[ "$(value data_dir)" != data ] || export FACEGATE_DATA_DIR="$root/data"
[ "$(value models_dir)" != models ] || export FACEGATE_MODELS_DIR="$root/models"
config=$("$root/build/facegated" "$@" --print-config)
listen=$(value listen)
data=$(value data_dir)
mkdir -p -- "$data"
key=
if [ "$("$root/build/facegate" keys list --data_dir="$data" | wc -l)" -gt 0 ]; then
    key=' -H "X-Api-Key: $API_KEY"'
fi

host=${listen%:*}
port=${listen##*:}
case $host in
0.0.0.0) host=127.0.0.1 ;;
'[::]') host='[::1]' ;;
esac
[ "$port" != 0 ] || port=PORT # the daemon's first lines say which
url=http://$host:$port
faces=$root/tests/data/faces
cat <<END

The match log and the templates are kept in $data.
$(if [ -n "$key" ]; then
    echo 'There are API keys: set API_KEY to one of an admin first.'
else
    echo 'No API key yet, so only this machine is served. To make one:'
    echo "  $root/build/facegate keys add --role admin --data_dir='$data'"
fi)
Once the daemon is up, in another terminal:

Enrol a person from a photograph:
  curl -sS$key -H 'Content-Type: image/jpeg' --data-binary '@$faces/obama.jpg' '$url/enroll?person_id=obama&name=Barack'
Verify another photograph of the same person (allow):
  curl -sS$key -H 'Content-Type: image/jpeg' --data-binary '@$faces/obama2.jpg' '$url/verify?person_id=obama&door_id=north'
Verify a photograph of someone else (deny):
  curl -sS$key -H 'Content-Type: image/jpeg' --data-binary '@$faces/biden.jpg' '$url/verify?person_id=obama&door_id=north'
See both in the match log:
  curl -sS$key '$url/logs'

END
exec "$root/build/facegated" "$@"
