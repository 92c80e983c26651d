#!/usr/bin/env bash
# btcli of bittensor 11.3.0 and btcli of bittensor-cli 9.23.2 (PyPI), python 3.11.
#
# One would guess: a newer package that installs a program of the same name keeps the flag that every page of the last years
# writes, as an alias at least. It keeps none: `--wallet.name`, `--wallet-name` and `--name` of the older one are refused by
# the newer, and `--wallet` and `-w` of the newer by the older. The hotkey's flag `--wallet-hotkey` is understood by both.
# So no line can be printed that works with whatever `btcli` an operator has; the package must be named beside it.
#
# Seen: "No such option" from both, each for the other's spelling.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for package in bittensor==11.3.0 bittensor-cli==9.23.2; do
    python3 -m venv "$folder/${package%%=*}"
    "$folder/${package%%=*}/bin/pip" install --quiet "$package"
done
export HOME=$folder COLUMNS=200 NO_COLOR=1
refuses() {
    local said
    # `--help` comes last, so that an option that is known does nothing.
    said=$("$folder/$1/bin/btcli" wallet balance "$2" probe --help 2>&1 || true)
    grep -q "No such option" <<< "$said"
}
for flag in --wallet.name --wallet-name --name; do
    refuses bittensor "$flag" || { echo "CHANGED: bittensor 11.3.0 takes $flag"; exit 1; }
    ! refuses bittensor-cli "$flag" || { echo "CHANGED: bittensor-cli 9.23.2 refuses $flag"; exit 1; }
done
for flag in --wallet -w; do
    ! refuses bittensor "$flag" || { echo "CHANGED: bittensor 11.3.0 refuses $flag"; exit 1; }
    refuses bittensor-cli "$flag" || { echo "CHANGED: bittensor-cli 9.23.2 takes $flag"; exit 1; }
done
echo "each refuses the other's flag for the wallet"
