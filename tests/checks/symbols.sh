#!/bin/sh
# Every name a library exports starts with the name of one of the source files
# of its floor, or with one of the prefixes named here.
# Usage: symbols.sh BUILD_FOLDER
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
build=$1
status=0

check() { # FLOOR PREFIX...
    floor=$1
    shift
    prefixes=$({
        find "$root/$floor" -name '*.c' -exec basename {} .c \;
        printf '%s\n' "$floor" "$@"
    } | paste -s -d '|')
    names=$(nm -g --defined-only "$build/libfg_$floor.a" |
        awk 'NF == 3 && $3 !~ /^__(odr_)?[atu]san/ { print $3 }')
    if [ -z "$names" ]; then
        echo "$floor exports nothing"
        status=1
    fi
    strangers=$(printf '%s\n' "$names" | grep -Ev "^($prefixes)_" || true)
    if [ -n "$strangers" ]; then
        echo "$floor exports names without the prefix of a module:"
        printf '%s\n' "$strangers" | sed 's/^/    /'
        status=1
    fi
}

check common err
check config cfg
check engine k nn template
check db
check server srv mime handle
check cli errata
exit $status
