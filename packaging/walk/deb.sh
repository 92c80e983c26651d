# The Debian package in a clean tree of its own: installed, its units verified, its programs started, removed.
set -eu
dpkg --install grail_*_amd64.deb
for program in grail grail-miner grail-validator grail-trainer; do
    runuser -u grail -- env -i PATH=/usr/bin:/bin $program --version
done
for role in miner validator trainer; do
    systemd-analyze verify --man=no "/usr/lib/systemd/system/grail-$role.service"
    grail config unit $role | cmp - "/usr/lib/systemd/system/grail-$role.service"
done
for folder in '/etc/grail 750 root grail' '/var/lib/grail 750 grail grail' '/var/cache/grail 750 grail grail'; do
    path=${folder%% *}
    [ "$(stat -c '%n %a %U %G' "$path")" = "$folder" ] || { stat "$path" >&2; exit 1; }
done
echo key >/var/lib/grail/wallets/key
dpkg --install grail_*_amd64.deb
dpkg --purge grail
[ ! -e /usr/bin/grail ] && [ ! -e /usr/lib/grail ] && [ -e /var/lib/grail/wallets/key ]
