#!/usr/bin/env bash
# subxt 0.51.1 with `default-features = false, features = ["jsonrpsee", "native"]`; cargo 1.95.
#
# One would guess: the lock file lists what can be built, so a package that no feature switches on is not in it.
# It is: subxt's feature `native` has the weak entry `subxt-lightclient?/native`, which switches a feature on only where the
# light client is wanted anyway. Nothing wants it here, `cargo tree` reaches neither it nor what it stands on, on any target;
# yet the lock file pins all of it, among it smoldot, a whole Substrate light client under GPL-3.0.
# Who reads licences, versions or a bill of materials from the lock file reads about packages that are never built.
#
# Seen: 381 packages in the lock file, 3 of them subxt-lightclient, smoldot and smoldot-light; `cargo tree` says of each
# "nothing to print".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
echo 'fn main() {}' > src/main.rs
cat > Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2021"

[dependencies]
subxt = { version = "=0.51.1", default-features = false, features = ["jsonrpsee", "native"] }

[workspace]
TOML
cargo --version
cargo generate-lockfile --quiet
echo "packages in the lock file: $(grep -c '^name = ' Cargo.lock)"
for package in subxt-lightclient smoldot smoldot-light; do
    grep -q "^name = \"$package\"$" Cargo.lock || { echo "CHANGED: $package is not in the lock file"; exit 1; }
    reached=$(cargo tree --quiet --target all --edges all --invert "$package" 2>&1 | grep -c '^subxt\|^smoldot' || true)
    [ "$reached" = 0 ] || { echo "CHANGED: $package is reached"; exit 1; }
    echo "$package: in the lock file, reached by nothing"
done
