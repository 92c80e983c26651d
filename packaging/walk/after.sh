# What must hold after the pages' commands: folders and modes, and a window that was answered, judged and paid, by the units'
# own commands as their user. `cargo xtask walk` runs this last in the tree.
set -eu
mode() {
    found=$(stat -c '%a %U %G' "$1")
    [ "$found" = "$2" ] || { echo "walk: $1 is $found, and $2 is expected" >&2; exit 1; }
}
mode /etc/grail '750 root grail'
mode /var/lib/grail '750 grail grail'
mode /var/cache/grail '750 grail grail'
mode /var/lib/grail/wallets '700 grail grail'
mode /etc/grail/miner.env '600 root root'
for unit in grail-miner grail-validator; do
    user=$(stat -c %U "/proc/$(cat "/walk/log/$unit.service.pid")")
    [ "$user" = grail ] || { echo "walk: $unit runs as $user" >&2; tail -n 20 "/walk/log/$unit.service" >&2; exit 1; }
done
tries=0
while :; do
    status=$(runuser -u grail -- grail-devnet status /var/lib/grail/net)
    # The column of weights of the validator's row names another uid than its own.
    if printf '%s\n' "$status" | grep -q 'yes.*[0-9]:[1-9]'; then break; fi
    tries=$((tries + 1))
    if [ $tries -gt 120 ]; then
        printf '%s\n' "$status" >&2
        for unit in grail-miner grail-validator; do tail -n 30 "/walk/log/$unit.service" >&2; done
        echo "walk: no window was paid in ten minutes" >&2
        exit 1
    fi
    sleep 5
done
printf '%s\n' "$status"
for unit in grail-miner grail-validator; do
    pid=$(cat "/walk/log/$unit.service.pid")
    kill -INT "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 1; done
done
[ -n "$(ls /var/lib/grail/reports)" ] || { echo "walk: the validator kept no reports" >&2; exit 1; }
# Away again, and the wallets stay.
sh /usr/local/share/grail/install.sh --uninstall
for path in bin/grail install.sh lib/grail share/grail/install.sh lib/systemd/system/grail-miner.service share/man/man1/grail.1; do
    [ ! -e "/usr/local/$path" ] || { echo "walk: /usr/local/$path is left" >&2; exit 1; }
done
[ -d /var/lib/grail/wallets ]
