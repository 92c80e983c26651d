# What the installer refuses, before it changes anything. `cargo xtask walk` runs this first, in the clean tree.
set -eu
# shellcheck source=refuses.sh disable=SC1091
. /walk/refuses.sh
archive=$(ls grail-[0-9]*.tar.gz)
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
# Too little room: to unpack, and to install.
mkdir /walk/small
mount -t tmpfs -o size=2m tmpfs /walk/small
refuses 'TMPDIR=DIR' env TMPDIR=/walk/small sh install.sh "$archive"
refuses '--prefix DIR' sh install.sh --prefix /walk/small/grail "$archive"
[ ! -e /walk/small/grail ]
umount /walk/small
refuses 'cannot be read' sh install.sh grail-0.0.0-x86_64-linux.tar.gz
: >other.tar.gz
refuses 'SHA256SUMS does not name' sh install.sh other.tar.gz
rm other.tar.gz
refuses 'cannot be unpacked' sh install.sh install.sh
refuses 'needs ssh-keygen' sh install.sh --signers /dev/null "$archive"
