#!/bin/sh
# Installs GRAIL from its archive, as root. Everything is verified before anything is changed.
#
#   sh install.sh grail-VERSION-x86_64-linux.tar.gz     the archive, against SHA256SUMS beside it
#   ./install.sh                                        from the unpacked archive
#
#   --sha256 HEX      the archive's digest, from a place that you trust more than the one with the archive
#   --signers FILE    check SHA256SUMS.sig as well: ssh-keygen's list of who may sign, with the principal `grail`
#   --cuda            fetch libtorch with CUDA too, by pip, against pinned digests (about 2.5 GB)
#   --prefix DIR      where to (default /usr/local)
#   --uninstall       take away what an earlier run laid there; settings, wallets and user stay
set -eu

die() { echo "install.sh: $*" >&2; exit 1; }

prefix=/usr/local archive='' digest='' signers='' cuda='' uninstall=''
while [ $# -gt 0 ]; do
    case $1 in
        --prefix | --sha256 | --signers) [ $# -ge 2 ] || die "$1 needs a value; see --help" ;;
    esac
    case $1 in
        --prefix) prefix=$2; shift ;;
        --sha256) digest=$2; shift ;;
        --signers) signers=$2; shift ;;
        --cuda) cuda=yes ;;
        --uninstall) uninstall=yes ;;
        -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
        -*) die "$1 is no flag of this script; see --help" ;;
        *) [ -z "$archive" ] || die "one archive at a time"; archive=$1 ;;
    esac
    shift
done
case $prefix in /*) ;; *) die "--prefix $prefix: name it from the root" ;; esac
[ "$(id -u)" = 0 ] || die "it makes a user and writes below $prefix: run it as root (sudo sh install.sh …)"
laid=$prefix/share/grail/installed

remove_listed() {
    while IFS= read -r name; do
        rm -f -- "$prefix/$name"
    done <"$1"
}

# Refuses where a folder, which need not be there yet, has not so many bytes free.
room_for() {
    at=$1
    while [ ! -d "$at" ]; do at=$(dirname -- "$at"); done
    free=$(df -Pk -- "$at" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge $(($2 / 1024)) ] ||
        die "$at has $((free / 1024)) MB free, and $3 takes $(($2 / 1048576 + 1)) MB: $4; nothing was changed"
}

if [ -n "$uninstall" ]; then
    [ -r "$laid" ] || die "$laid is not there: nothing was installed below $prefix by this script"
    remove_listed "$laid"
    # The libtorch that was fetched is on no list.
    rm -rf -- "$prefix/lib/grail" "$laid"
    for folder in share/doc/grail share/grail; do
        find "$prefix/$folder" -depth -type d -empty -delete 2>/dev/null || true
    done
    echo "GRAIL is gone from $prefix. /etc/grail, /var/lib/grail (wallets, reports) and the user grail are as they were."
    exit 0
fi

# 1. The machine.
[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || die "these programs are for Linux on x86-64, and this is $(uname -s) on $(uname -m)"

# 2. The archive, before it is unpacked.
if [ -n "$archive" ]; then
    [ -r "$archive" ] || die "$archive cannot be read"
    beside=$(dirname -- "$archive")
    if [ -n "$signers" ]; then
        command -v ssh-keygen >/dev/null || die "--signers needs ssh-keygen: apt-get install openssh-client"
        [ -r "$beside/SHA256SUMS.sig" ] || die "$beside/SHA256SUMS.sig is not there, and --signers asks for it"
        ssh-keygen -Y verify -f "$signers" -I grail -n grail-release -s "$beside/SHA256SUMS.sig" \
            <"$beside/SHA256SUMS" >/dev/null || die "SHA256SUMS is not signed by anybody in $signers; nothing was changed"
    fi
    if [ -z "$digest" ]; then
        [ -r "$beside/SHA256SUMS" ] || die "$beside/SHA256SUMS is not there: fetch it too, or name the digest with --sha256"
        digest=$(awk -v name="$(basename -- "$archive")" '$2 == name || $2 == "*" name { print $1 }' "$beside/SHA256SUMS")
        [ -n "$digest" ] || die "SHA256SUMS does not name $(basename -- "$archive")"
    fi
    found=$(sha256sum <"$archive" | cut -d ' ' -f 1)
    [ "$found" = "$digest" ] || die "$archive has the digest $found, and $digest is expected: fetch it again; nothing was changed"
    room_for "${TMPDIR:-/tmp}" "$(gzip -dc <"$archive" | wc -c)" "the unpacked archive" "TMPDIR=DIR names another folder"
    room=$(mktemp -d)
    trap 'rm -rf "$room"' EXIT INT TERM
    tar -xzf "$archive" -C "$room" --no-same-owner --strip-components=1 || die "$archive cannot be unpacked into $room; nothing was changed"
    here=$room
else
    [ -z "$digest$signers" ] || die "--sha256 and --signers are about an archive; name it"
    here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
fi

# 3. Every file of it, none missing and none beyond the list.
[ -r "$here/SHA256SUMS" ] || die "$here holds no SHA256SUMS: this is no archive of GRAIL"
(cd "$here" && sha256sum --check --strict --quiet SHA256SUMS) || die "the archive is damaged, see above; nothing was changed"
extra=$(cd "$here" && find . -type f ! -name SHA256SUMS | cut -c 3- | while IFS= read -r name; do
    awk -v name="$name" 'substr($0, 67) == name { found = 1 } END { exit !found }' SHA256SUMS || echo "$name"
done)
[ -z "$extra" ] || die "files that SHA256SUMS does not name: $extra; nothing was changed"

# 4. The C library, and that the programs start here at all.
need=$(cat "$here/share/grail/glibc")
have=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d ' ' -f 2) || have=''
[ -n "$have" ] || die "this system has no GNU C library; GRAIL needs glibc $need or newer"
[ "$(printf '%s\n%s\n' "$need" "$have" | sort -V | head -n 1)" = "$need" ] || die "glibc is $have, and $need or newer is needed"
roles='grail-miner grail-validator grail-trainer'
slim=''
[ -e "$here/lib/grail/libtorch_cpu.so" ] || slim=yes
# The tool alone starts without libtorch.
here_starts=grail
[ -n "$slim" ] || here_starts="grail $roles"
for program in $here_starts; do
    said=$(LD_LIBRARY_PATH='' "$here/bin/$program" --version 2>&1) ||
        die "$program does not start on this machine; nothing was changed. It said: $said"
done
# Room for what is new or larger than what stands there, and for one file beside its older self.
need=$(cut -c 67- "$here/SHA256SUMS" | while IFS= read -r name; do
    new=$(stat -c %s -- "$here/$name")
    echo "$new $(stat -c %s -- "$prefix/$name" 2>/dev/null || echo 0)"
done | awk '{ more += $1 - $2; if ($1 > most) most = $1 } END { if (more < 0) more = 0; printf "%.0f", more + most }')
room_for "$prefix" "$need" "what is installed" "--prefix DIR names another folder"

# 5. The files. Each appears whole: a program that runs keeps the file it was started from.
before=''
if [ -r "$laid" ]; then before=$(cat "$laid"); fi
# This script stays too, for --uninstall.
names=$(cut -c 67- "$here/SHA256SUMS" | sed 's,^install\.sh$,share/grail/install.sh,')
printf '%s\n' "$names" | while IFS= read -r name; do
    from=$here/$name
    [ "$name" != share/grail/install.sh ] || from=$here/install.sh
    mode=644
    [ ! -x "$from" ] || mode=755
    new=$prefix/$name.new.$$
    mkdir -p -- "$prefix/$(dirname -- "$name")" && install -m $mode -- "$from" "$new" && mv -f -- "$new" "$prefix/$name" ||
        { rm -f -- "$new"; exit 1; }
done || die "not every file could be laid below $prefix, see above: mend that, and run this again"
# What an earlier version had, and this one has not.
printf '%s\n' "$before" | while IFS= read -r name; do
    [ -z "$name" ] || printf '%s\n' "$names" | grep -qxF -- "$name" || rm -f -- "$prefix/$name"
done
printf '%s\n' "$names" >"$laid"

# 6. libtorch, where the archive came without it, and the one with CUDA. What was fetched has beside it the list that it is of.
fetch=$prefix/share/grail/fetch-libtorch
is_fetched() { cmp -s "$prefix/share/grail/libtorch-$1.txt" "$2/fetched.txt"; }
wants() {
    is_fetched "$1" "$2" || "$fetch" "--$1" ||
        die "the programs are in $prefix, and libtorch ($1) is not: mend what stands above, and run this again"
}
if [ -n "$slim" ]; then wants cpu "$prefix/lib/grail"; else rm -f -- "$prefix/lib/grail/fetched.txt"; fi
if [ -n "$cuda" ]; then
    wants cuda "$prefix/lib/grail/cuda"
elif [ -d "$prefix/lib/grail/cuda" ] && ! is_fetched cuda "$prefix/lib/grail/cuda"; then
    die "$prefix/lib/grail/cuda is of another version, and programs take it first: run this again with --cuda, or remove it"
fi
for program in $roles; do
    LD_LIBRARY_PATH='' "$prefix/bin/$program" --version >/dev/null || die "$program does not start from $prefix/bin"
done

# 7. User, folders, units.
# shellcheck source=make-user.sh disable=SC1091
. "$prefix/share/grail/make-user.sh"
[ ! -d /run/systemd/system ] || systemctl daemon-reload

echo "$("$prefix/bin/grail" --version) is in $prefix. Go on with $prefix/share/doc/grail/book/setup-miner.md, or: grail setup"
