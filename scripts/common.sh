# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the shell scripts share. Sourced, with `set -euo pipefail`.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build
me=$(basename "$0")
mkdir -p "$build/log"

# A compiler's cache that hits in every clone, wherever it lies, and that doesn't
# run the preprocessor on its own for what it hasn't got: a quarter of the time.
export CCACHE_BASEDIR=$top CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1

say() { echo "$me: $*"; }
fail() { echo "$me: $*" >&2; exit 1; }

# The value of a key in patches/BASE.
base() {
    sed -n "s/^$1 = //p" "$top/patches/BASE" | grep . ||
        fail "patches/BASE has no '$1'"
}

# Runs a long command with its output in build/log/NAME.log; shows the last
# lines if it fails.
logged() {
    local log=$build/log/$1.log
    shift
    "$@" >"$log" 2>&1 && return
    tail -n 25 "$log" >&2
    fail "'$1' failed; all it said is in $log"
}
