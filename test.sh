#!/bin/sh
# Installs what is missing, builds, and runs every test.
# Arguments go to ctest: ./test.sh -L quick
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$root/.ci/setup.sh"

need_build_tools
need_library check check
need_command python3 python3
need_command openssl openssl
need_file /usr/sbin/mosquitto mosquitto
need_command mosquitto_sub mosquitto-clients
install_missing
build "$root/build" -DFACEGATE_TESTS=ON
exec ctest --test-dir "$root/build" -j "$(nproc)" --output-on-failure \
    --no-tests=error --no-label-summary "$@"
