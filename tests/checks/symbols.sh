#!/bin/sh
# Every name a library exports carries the prefix of one of its modules.
# Usage: symbols.sh BUILD_FOLDER
set -eu
build=$1
status=0

check() { # LIBRARY PREFIXES
    names=$(nm -g --defined-only "$build/lib$1.a" |
        awk 'NF == 3 && $3 !~ /^__(odr_)?[atu]san/ { print $3 }')
    if [ -z "$names" ]; then
        echo "lib$1.a exports nothing"
        status=1
    fi
    strangers=$(printf '%s\n' "$names" | grep -Ev "^($2)_" || true)
    if [ -n "$strangers" ]; then
        echo "lib$1.a exports names without the prefix of a module ($2):"
        printf '%s\n' "$strangers" | sed 's/^/    /'
        status=1
    fi
}

check fg_common 'status|err|log'
check fg_config 'cfg'
check fg_engine 'engine|arena|image|jpeg|jmem|exif|model|nn|k|mtcnn|nms|align|shrink|embed|gallery|template'
check fg_db 'db'
check fg_server 'srv|upload|reply|request|router|worker|json|handle|decide'
check fg_cli 'cli|pairs|metrics'
exit $status
