#!/usr/bin/env bash
# bittensor 11.3.0 with bittensor-core 0.1.5 (PyPI), python 3.11.
#
# One would guess: a package has one answer to "which drand round comes out at this moment".
# It has two. `bittensor.timelock.round_at(t)` counts rounds from 1 and gives the first that comes out at or after t.
# `get_encrypted_commit_v2`, which seals weights, divides the seconds since drand's start by three and adds nothing: its
# round came out 3 to 6 seconds before the moment that it aims at. Weights sealed by the one rule and expected by the other
# open one or two rounds apart; who writes a client by the documentation of `timelock` computes another round than the SDK
# sends.
#
# Seen: for the moment of the first block of the revealing epoch and three more, the commit's round is 2 below
# `round_at` (1 where the moment falls on a round).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "bittensor==11.3.0" "bittensor-core==0.1.5"
"$folder/venv/bin/python" - <<'PY'
import sys
import time

import bittensor_core
from bittensor import timelock

seen = set()
for tempo in range(100, 140):
    before = time.time()
    _, sealed = bittensor_core.get_encrypted_commit_v2(
        uids=[1], weights=[1], version_key=0, last_epoch_block=1000, pending_epoch_at=0, subnet_epoch_index=1,
        tempo=tempo, blocks_since_last_step=0, current_block=1000, subnet_reveal_period_epochs=1, block_time=12.0,
        hotkey=bytes(32),
    )
    # The next epoch begins `tempo` blocks on; the library adds three.
    aimed = before + (tempo + 3) * 12.0
    if time.time() - before < 0.2:
        seen.add(timelock.round_at(aimed) - sealed)
    time.sleep(0.07)
print("rounds by which the commit's round lies before round_at:", sorted(seen))
if not seen or not seen <= {1, 2}:
    sys.exit("CHANGED: the two rules agree, or differ otherwise")
PY
