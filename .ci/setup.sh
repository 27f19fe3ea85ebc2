# Sourced by run.sh, test.sh and the scripts here, which set root: installs what
# is missing and builds. Plain sh. Nothing is fetched when nothing is missing.
# shellcheck shell=sh disable=SC2154

missing=

need_command() { # COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

need_file() { # FILE PACKAGE
    [ -e "$1" ] || missing="$missing $2"
}

need_library() { # PKG_CONFIG_NAME PACKAGE
    pkg-config --exists "$1" 2>/dev/null || missing="$missing $2"
}

need_build_tools() {
    need_command "${CC:-cc}" gcc
    need_file /usr/include/stdio.h libc6-dev
    need_command cmake cmake
    need_command make make
    need_command pkg-config pkg-config
    need_library libmicrohttpd libmicrohttpd-dev
    need_library gnutls libgnutls28-dev
    need_library jansson libjansson-dev
    need_library nettle nettle-dev
    need_library sqlite3 libsqlite3-dev
    need_library libsodium libsodium-dev
    need_library zlib zlib1g-dev
    need_library libjpeg libjpeg62-turbo-dev
    need_library libcurl libcurl4-gnutls-dev
    need_library libmosquitto libmosquitto-dev
}

install_missing() {
    [ -n "$missing" ] || return 0
    echo "Installing:$missing"
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "There is no apt-get here: install these yourself." >&2
        return 1
    fi
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "Neither root nor sudo: run, as root," >&2
            echo "    apt-get install$missing" >&2
            return 1
        fi
        as_root=sudo
    fi
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get update -q </dev/null || return 1
    # A list of packages, unquoted on purpose.
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
        --no-install-recommends $missing </dev/null
}

# build FOLDER [CMAKE_OPTION]...
build() {
    folder=$1
    shift
    cmake -S "$root" -B "$folder" -DCMAKE_BUILD_TYPE=Release "$@" &&
        cmake --build "$folder" -j "$(nproc)"
}
