#!/bin/bash
# Counts the instructions of each stage of the engine on 64-bit and 32-bit ARM,
# at every kernel level: what there is for a speed where no board is at hand.
# Installs Debian's cross compilers and Unicorn. Usage: count_arm.sh [PICTURE]
set -euo pipefail
root=$(cd -- "$(dirname -- "$0")/.." && pwd)
picture=$(realpath "${1:-$root/tests/golden/obama-240p.jpg}")
cd "$root"
# shellcheck source=.ci/setup.sh
. .ci/setup.sh

need_build_tools
need_command aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
need_command arm-linux-gnueabihf-gcc gcc-arm-linux-gnueabihf
need_file /usr/aarch64-linux-gnu/include/stdio.h libc6-dev-arm64-cross
need_file /usr/arm-linux-gnueabihf/include/stdio.h libc6-dev-armhf-cross
need_library unicorn libunicorn-dev
install_missing

mkdir -p build
cc -O2 -D_GNU_SOURCE -o build/count_arm bench/count_arm.c -lunicorn

count() { # NAME TRIPLE
    cmake/sysroot "$1" >&2
    cmake -S . -B "build-$1" -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_TOOLCHAIN_FILE="cmake/$1.cmake" >&2
    cmake --build "build-$1" -j "$(nproc)" --target fg_engine >&2
    "$2-gcc" --sysroot="$root/build-sysroot/$2" -static -O2 -D_GNU_SOURCE \
        -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -Iengine -Icommon \
        -o "build-$1/count_engine" bench/bench_engine.c \
        "build-$1/libfg_engine.a" "build-$1/libfg_common.a" \
        -L"build-sysroot/$2/usr/lib/$2" -ljpeg -lm
    echo "$1, millions of instructions:"
    build/count_arm "build-$1/count_engine" models "$picture" 1 |
        sed 's/ rounds, medians in ms/ round/'
}

count aarch64 aarch64-linux-gnu
count armv7 arm-linux-gnueabihf
