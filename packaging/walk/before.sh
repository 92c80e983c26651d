# What the installer refuses, before it changes anything. `cargo xtask walk` runs this first, in the clean tree.
set -eu
archive=$(ls grail-[0-9]*.tar.gz)
refuses() {
    words=$1
    shift
    if said=$("$@" 2>&1); then echo "walk: $* was let through" >&2; exit 1; fi
    case $said in *"$words"*) ;; *) echo "walk: $* said: $said" >&2; exit 1 ;; esac
    for path in /usr/local/bin/grail /usr/local/share/grail /etc/grail; do
        [ ! -e $path ] || { echo "walk: $* left $path" >&2; exit 1; }
    done
}
mkdir /walk/bad
cp install.sh "$archive" /walk/bad
refuses 'SHA256SUMS is not there' sh /walk/bad/install.sh "/walk/bad/$archive"
refuses 'is expected' sh install.sh --sha256 00ff "$archive"
cp SHA256SUMS /walk/bad
printf 'x' >>"/walk/bad/$archive"
refuses 'is expected' sh /walk/bad/install.sh "/walk/bad/$archive"
# One file of the unpacked archive changed, missing, or one too many.
tar -xzf "$archive" -C /walk/bad --strip-components=1
printf 'x' >>/walk/bad/bin/grail
refuses 'is damaged' sh /walk/bad/install.sh
tar -xzf "$archive" -C /walk/bad --strip-components=1
rm "/walk/bad/$archive" /walk/bad/share/grail/make-user.sh
refuses 'is damaged' sh /walk/bad/install.sh
tar -xzf "$archive" -C /walk/bad --strip-components=1
echo evil >/walk/bad/bin/more
refuses 'does not name: bin/more' sh /walk/bad/install.sh
rm -r /walk/bad
refuses 'run it as root' setpriv --reuid 1000 --regid 1000 --clear-groups sh install.sh "$archive"
refuses 'from the root' sh install.sh --prefix here "$archive"
refuses 'no flag' sh install.sh --force
