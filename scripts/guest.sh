# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What scripts/guest and scripts/guest-rtc share. Sourced, with `set -euo pipefail`,
# $top and $downloads set, say, fail and before_download defined.

# What every guest is made from.
sources=("$top"/scripts/guest.sh
         "$top"/guest/{init,agent.c,stream.h,diskload.c,mmload.c,netload.c,remap.c,vsock.c})

# deb PACKAGE: where its download is, or nothing. One that was cut off doesn't list.
deb() {
    local found
    found=$(find "$downloads" -name "${1}_*.deb" | head -n 1)
    [ -z "$found" ] || ! dpkg -c "$found" >/dev/null 2>&1 || echo "$found"
}

# unpack WHERE PACKAGE...: downloads what isn't there yet, and unpacks all of them.
unpack() {
    local where=$1 package missing=()
    shift
    for package in "$@"; do
        [ -n "$(deb "$package")" ] || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        before_download
        say "downloading ${missing[*]}"
        for package in "${missing[@]}"; do
            rm -f "$downloads/${package}"_*.deb
        done
        # apt warns that its sandbox user can't write here: it needn't.
        (cd "$downloads" && apt-get -q -o APT::Sandbox::User= download "${missing[@]}") ||
            fail "can't download ${missing[*]}. If apt's lists are old, run apt-get update;" \
                 "if a package was replaced, $0 --refresh takes the newer one."
    fi
    say "unpacking $*"
    for package in "$@"; do
        dpkg -x "$(deb "$package")" "$where"
    done
}

# entries LIST: its lines that aren't comments.
entries() { grep -v '^#' "$1"; }

# pack ROOT BUSYBOX ARCHIVE: adds what every guest has, and packs it up.
pack() {
    local program
    say "compiling its programs"
    for program in agent diskload mmload netload remap vsock; do
        gcc -O2 -Wall -Wextra -Werror -static -pthread -o "$1/bin/$program" \
            "$top/guest/$program.c"
    done
    say "packing the initramfs"
    install -m 755 "$2" "$1/bin/busybox"
    install -m 755 "$top/guest/init" "$1/init"
    (cd "$1" && find . -print0 | LC_ALL=C sort -z |
         cpio --quiet -0 -o -H newc -R 0:0 --reproducible) | gzip -n -6 > "$3"
}
