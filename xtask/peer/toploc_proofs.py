"""TOPLOC's published proof on hidden states that `lab states` wrote: one file an attack, miner's and validator's states.

Prints one JSON object, attack by attack: chunks of 32 tokens, those accepted, bytes and microseconds a token. Accepted is what
the release's own experiments accept: at least 90 of 128 exponents agree, mean mantissa error at most 10, median at most 8.
Needs torch 2.11.0 and toploc 0.1.6.
"""

import argparse
import json
import struct
import time
from pathlib import Path

import numpy
import torch
from toploc import build_proofs_bytes, verify_proofs_bytes

CHUNK, TOP = 32, 128
AGREE, MEAN, MEDIAN = 90, 10, 8


def rollouts(path: Path):
    """Pairs of states [tokens, width]: what the miner fingerprints, what the validator computes."""
    data = path.read_bytes()
    count, width = struct.unpack_from("<II", data)
    at = 8
    for _ in range(count):
        (tokens,) = struct.unpack_from("<I", data, at)
        at += 4
        sides = []
        for _ in range(2):
            flat = numpy.frombuffer(data, dtype="<f4", count=tokens * width, offset=at)
            at += 4 * tokens * width
            sides.append(torch.from_numpy(flat.copy()).view(tokens, width).to(torch.bfloat16))
        yield sides


def accepted(result) -> bool:
    agree = TOP - result.exp_mismatches
    return agree >= AGREE and result.mant_err_mean <= MEAN and result.mant_err_median <= MEDIAN


def judge(path: Path) -> dict:
    chunks = passed = whole = lies = tokens = size = 0
    building = verifying = 0.0
    for miner, validator in rollouts(path):
        # The proof takes 128 values out of a chunk; a chunk of fewer has none.
        if miner.numel() < TOP:
            continue
        start = time.perf_counter()
        proofs = build_proofs_bytes(list(miner), CHUNK, TOP, skip_prefill=True)
        building += time.perf_counter() - start
        start = time.perf_counter()
        results = [accepted(result) for result in verify_proofs_bytes(list(validator), proofs, CHUNK, TOP, skip_prefill=True)]
        verifying += time.perf_counter() - start
        lies += 1
        chunks += len(results)
        passed += sum(results)
        whole += all(results)
        tokens += len(miner)
        size += sum(len(proof) for proof in proofs)
    return {
        "rollouts": lies,
        "rollouts_accepted": whole,
        "chunks": chunks,
        "accepted": passed,
        "tokens": tokens,
        "bytes_per_token": size / max(tokens, 1),
        "build_us_per_token": 1e6 * building / max(tokens, 1),
        "verify_us_per_token": 1e6 * verifying / max(tokens, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="with one .bin file an attack")
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    print(json.dumps({path.stem: judge(path) for path in sorted(folder.glob("*.bin"))}, indent=2))


if __name__ == "__main__":
    main()
