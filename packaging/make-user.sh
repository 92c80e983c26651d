# Makes the user `grail` and the folders of its services; run as root, as often as one likes. install.sh and the Debian package
# both run this text.
getent group grail >/dev/null || groupadd --system grail
getent passwd grail >/dev/null ||
    useradd --system --gid grail --home-dir /var/lib/grail --no-create-home --shell /usr/sbin/nologin grail
# Settings: made by root, read by the service. MINER.env and the like hold secrets and are read by systemd: mode 600, owner root.
install -d -m 750 -o root -g grail /etc/grail
# What services keep, and what they can fetch again.
install -d -m 750 -o grail -g grail /var/lib/grail /var/cache/grail
# Hotkeys. A coldkey has no business on this machine.
install -d -m 700 -o grail -g grail /var/lib/grail/wallets
