#!/bin/sh
# From the archive to a service that is ready to start. Root runs it, in the folder with the archive, SHA256SUMS and install.sh.
#
#   sh setup.sh [--cuda] [--wallet DIR NAME HOTKEY] [-- FLAGS OF grail setup]
#
#   sh setup.sh --wallet ~/.bittensor/wallets main miner1
#   sh setup.sh --wallet ~/.bittensor/wallets main miner1 -- --yes --network test --r2-account-id … (see grail setup --help)
#
# Asks what `grail setup` asks, unless --yes is among its flags. Nothing that is there is overwritten unasked.
set -eu

die() { echo "setup.sh: $*" >&2; exit 1; }

cuda='' wallets='' cold='' hot=''
while [ $# -gt 0 ]; do
    case $1 in
        --cuda) cuda=--cuda ;;
        --wallet)
            [ $# -ge 4 ] || die "--wallet DIR NAME HOTKEY"
            wallets=$2 cold=$3 hot=$4
            shift 3
            ;;
        --) shift; break ;;
        -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "$1 is no flag of this script; see --help" ;;
    esac
    shift
done
[ "$(id -u)" = 0 ] || die "run it as root"

# Where install.sh or the package has put what is not a program; empty where neither has.
share() {
    for folder in /usr/local /usr; do
        if [ -x "$folder/share/grail/as-service" ]; then echo "$folder/share/grail"; break; fi
    done
}
share=$(share)
if [ -z "$share" ]; then
    archive=$(ls grail-[0-9]*-x86_64-linux.tar.gz 2>/dev/null) || die "there is no grail-VERSION-x86_64-linux.tar.gz in this folder"
    [ "$(printf '%s\n' "$archive" | wc -l)" = 1 ] || die "there are several archives in this folder: leave one there"
    sh install.sh $cuda "$archive"
    share=$(share)
elif [ -n "$cuda" ]; then
    "$share/fetch-libtorch" --cuda
fi
grail --version

here=/var/lib/grail/wallets
if [ -n "$wallets" ]; then
    from=$wallets/$cold
    [ -r "$from/hotkeys/$hot" ] || die "there is no $from/hotkeys/$hot"
    install -d -m 700 -o grail -g grail "$here/$cold" "$here/$cold/hotkeys"
    # A hotkey that is there already may be another one.
    if [ -e "$here/$cold/hotkeys/$hot" ]; then
        cmp -s "$from/hotkeys/$hot" "$here/$cold/hotkeys/$hot" || die "$here/$cold/hotkeys/$hot is another key; move it away first"
    fi
    install -m 600 -o grail -g grail "$from/hotkeys/$hot" "$here/$cold/hotkeys/$hot"
    if [ -r "$from/coldkeypub.txt" ]; then install -m 644 -o grail -g grail "$from/coldkeypub.txt" "$here/$cold/"; fi
    set -- --wallet-cold "$cold" --wallet-hot "$hot" "$@"
fi

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT INT TERM
# In the folder of a network of this machine root would leave files that the service cannot write; the doctor below looks at it
# as the service.
case " $* " in
    *' --no-checks '*) ;;
    *' --devnet '* | *' --devnet='*) set -- --no-checks "$@" ;;
esac
# Exit code 1 also says that the doctor found something: what was answered is kept all the same. Files that flags name are
# looked for from here.
grail setup --wallet-path "$here" --config "$room/grail.toml" --env-file "$room/.env" "$@" || true
[ -e "$room/.env" ] || die "nothing was written"
for pair in ".env miner.env" "grail.toml grail.toml"; do
    name=/etc/grail/${pair#* }
    # What stood there is kept beside it.
    if [ -e "$name" ]; then mv "$name" "$name.before-$(date +%s)"; fi
done
install -m 600 -o root -g root "$room/.env" /etc/grail/miner.env
if [ -e "$room/grail.toml" ]; then install -m 640 -o root -g grail "$room/grail.toml" /etc/grail/grail.toml; fi

status=0
"$share/as-service" miner grail doctor || status=$?
case $status in
    0 | 2) echo "ready: systemctl enable --now grail-miner" ;;
    *) echo "not ready yet: do what the lines above say, then: $share/as-service miner grail doctor" ;;
esac
exit "$status"
