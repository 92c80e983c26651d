# The archive without libtorch, signed, in a clean tree that has pip and ssh-keygen beside systemd: what the installer asks of a
# signature and of what it fetches, and the scripts of the skill. A folder of wheels stands for the package index.
set -eu
# shellcheck source=refuses.sh disable=SC1091
. /walk/refuses.sh
archive=$(ls grail-[0-9]*.tar.gz)
export PIP_NO_INDEX=1
index() { export PIP_FIND_LINKS="$1"; }

# The signature: of a stranger, of other bytes, of nobody.
refuses 'not signed by anybody' sh install.sh --signers /walk/strangers "$archive"
mkdir /walk/bad
cp install.sh SHA256SUMS SHA256SUMS.sig "$archive" /walk/bad
echo >>/walk/bad/SHA256SUMS
refuses 'not signed by anybody' sh /walk/bad/install.sh --signers /walk/signers "/walk/bad/$archive"
rm /walk/bad/SHA256SUMS.sig
refuses 'SHA256SUMS.sig is not there' sh /walk/bad/install.sh --signers /walk/signers "/walk/bad/$archive"
rm -r /walk/bad

# libtorch: nowhere, and with other bytes than the list says. The programs are laid then, and the next run goes on.
says() {
    words=$1
    shift
    if said=$("$@" 2>&1); then echo "walk: $* was let through" >&2; exit 1; fi
    case $said in *"$words"*) ;; *) echo "walk: $* said: $said" >&2; exit 1 ;; esac
}
mkdir /walk/none /walk/other
index /walk/none
says 'torch==2.11.0' sh install.sh --signers /walk/signers "$archive"
says 'and libtorch (cpu) is not' sh install.sh --signers /walk/signers "$archive"
ln /walk/wheels/torch-*.whl /walk/wheels/nvidia_cuda_runtime-*.whl /walk/other
cp /walk/wheels/nvidia_cuda_cupti-*.whl /walk/other
for wheel in /walk/other/nvidia_cuda_cupti-*.whl; do printf 'x' >>"$wheel"; done
index /walk/other
says 'DO NOT MATCH THE HASHES' sh install.sh "$archive"
[ ! -e /usr/local/lib/grail/libtorch_cpu.so ]
sh install.sh --uninstall

# The skill, from the archive on. It asks no network here, so the doctor finds that there is none.
index /walk/wheels
mkdir /walk/skill
tar -xzf "$archive" -C /walk/skill --strip-components=1
scripts=/walk/skill/share/grail/skills/grail-miner/scripts
/walk/skill/bin/grail keys new --wallet-path ~/wallets --wallet-cold main --wallet-hot miner1 >/dev/null
printf '%s' 0123456789abcdef0123456789abcdef01234567 >write.secret
printf '%s' fedcba9876543210fedcba9876543210fedcba98 >read.secret
status=0
said=$(sh $scripts/setup.sh --wallet ~/wallets main miner1 -- --yes --no-checks --network finney \
    --r2-account-id 0123456789abcdef0123456789abcdef \
    --r2-write-access-key-id 11111111111111111111111111111111 --r2-write-secret-file write.secret \
    --r2-read-access-key-id 22222222222222222222222222222222 --r2-read-secret-file read.secret 2>&1) || status=$?
printf '%s\n' "$said"
case $status$said in 1*'not ready yet'*) ;; *) echo "walk: setup.sh ended with $status" >&2; exit 1 ;; esac
[ "$(stat -c '%a %U' /etc/grail/miner.env)" = '600 root' ]
[ "$(stat -c '%a %U' /var/lib/grail/wallets/main/hotkeys/miner1)" = '600 grail' ]
for program in grail-miner grail-validator grail-trainer; do
    runuser -u grail -- env -i PATH=/usr/local/bin:/usr/bin:/bin $program --version
done

# Now for a network of this machine, up to a miner that is well.
tar -xzf grail-devnet-[0-9]*.tar.gz -C /usr/local --strip-components=1
(cd /var/lib/grail && runuser -u grail -- grail-devnet init /var/lib/grail/net \
    --model /usr/local/share/grail/models/tiny --environments arith-1 --max-new-tokens 48)
status=0
sh $scripts/setup.sh -- --yes --devnet /var/lib/grail/net --key miner --model /usr/local/share/grail/models/tiny \
    --max-groups 2 || status=$?
case $status in 0 | 2) ;; *) exit 1 ;; esac
ls /etc/grail/miner.env.before-* >/dev/null
systemctl enable --now grail-miner
status=0
sh $scripts/health.sh || status=$?
case $status in 0 | 2) ;; *) exit 1 ;; esac
status=0
said=$(sh $scripts/health.sh --json) || status=$?
case $status in 0 | 2) ;; *) exit 1 ;; esac
printf '%s' "$said" | python3 -c 'import json, sys; found = json.load(sys.stdin); assert found["doctor"]["checks"], found'
pid=$(cat /walk/log/grail-miner.service.pid)
kill -INT "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 1; done

# What was fetched is not fetched again; with CUDA more is asked, and named when it cannot be had.
index /walk/none
sh install.sh "$archive"
says 'torch==2.11.0' sh install.sh --cuda "$archive"
says 'and libtorch (cuda) is not' sh install.sh --cuda "$archive"
sh install.sh --uninstall
[ ! -e /usr/local/lib/grail ]
