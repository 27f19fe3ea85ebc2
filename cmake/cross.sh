# Sourced by the scripts that build for another machine, which set root and have
# sourced .ci/setup.sh. Plain sh.
# shellcheck shell=sh disable=SC2034,SC2154

# target NAME: what Debian calls that machine, and where its libraries go.
target() {
    case $1 in
    x86_64) arch=amd64 triple=x86_64-linux-gnu ;;
    aarch64) arch=arm64 triple=aarch64-linux-gnu ;;
    armv7) arch=armhf triple=arm-linux-gnueabihf ;;
    *) return 1 ;;
    esac
    toolchain=$root/cmake/$1.cmake
    sysroot=$root/build-sysroot/$triple
}

# The tools to build for the target, its libraries aside.
need_cross_tools() {
    need_command cmake cmake
    need_command make make
    need_command pkg-config pkg-config
    need_command dpkg-source dpkg-dev
    if [ "$(dpkg --print-architecture)" = "$arch" ]; then
        need_command "$triple-gcc" gcc
    else
        need_command "$triple-gcc" "gcc-$(echo "$triple" | tr _ -)"
    fi
}

# own_apt STATE ARGUMENT...: apt-get with a package state of its own in that
# folder: the machine's own packages and architectures stay as they are. Needs
# no root.
own_apt() (
    state=$1
    shift
    mkdir -p "$state/lists/partial" "$state/archives/partial"
    [ -e "$state/status" ] || : >"$state/status"
    apt-get -q -y -o Dir::State="$state" -o Dir::State::status="$state/status" \
        -o Dir::Cache="$state" -o Acquire::Languages=none \
        -o Acquire::Retries=3 "$@" </dev/null
)

# debian_sources FOLDER PACKAGE...: Debian's sources of them, its patches
# applied, each in FOLDER/PACKAGE-VERSION.
debian_sources() (
    folder=$1
    shift
    mkdir -p "$folder/lists"
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        [ ! -f "$list" ] ||
            sed 's/^deb /deb-src /; s/^Types:.*/Types: deb-src/' "$list" \
                >"$folder/lists/$(basename "$list")"
    done
    sources() {
        own_apt "$folder/apt" -o Dir::Etc::sourcelist=/dev/null \
            -o Dir::Etc::sourceparts="$folder/lists" "$@"
    }
    sources update || echo "Going on with the lists that came."
    cd "$folder"
    sources source --only-source "$@"
)

# cross_curl SOURCE PREFIX OPTION...: builds libcurl for HTTP alone, and puts it
# with its licence into PREFIX of the sysroot. That poll works as it should is
# tried by running it, which is not possible here.
cross_curl() (
    source=$1
    prefix=$2
    shift 2
    cmake -S "$source" -B "$source/cross" -DCMAKE_TOOLCHAIN_FILE="$toolchain" \
        -DCMAKE_BUILD_TYPE=MinSizeRel -DCMAKE_INSTALL_PREFIX="$prefix" \
        -DCMAKE_INSTALL_LIBDIR=lib -DHTTP_ONLY=ON -DUSE_NGHTTP2=OFF \
        -DUSE_LIBIDN2=OFF -DCURL_USE_LIBSSH2=OFF -DCURL_USE_LIBPSL=OFF \
        -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DHAVE_POLL_FINE=1 "$@"
    cmake --build "$source/cross" -j "$(nproc)"
    DESTDIR=$sysroot cmake --install "$source/cross" --strip
    install -D -m 644 "$source/COPYING" \
        "$sysroot$prefix/share/doc/libcurl/copyright"
)
