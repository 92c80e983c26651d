"""Seconds of one plain forward pass of transformers over rows x (prompt + new tokens), logits of the new ones only.

Prints one JSON object. Needs torch 2.11.0 and transformers 4.57.6.
"""

import time

import torch

from common import arguments, load, report, wait
from prompt import prompt


def main() -> None:
    args = arguments()
    model = load(args)
    generator = torch.Generator().manual_seed(0)
    start = torch.tensor([prompt(args.prompt)] * args.rows)
    completions = torch.randint(0, model.config.vocab_size, (args.rows, args.new), generator=generator)
    ids = torch.cat([start, completions], dim=1).to(args.device)
    seconds = []
    for _ in range(args.runs):
        clock = time.perf_counter()
        with torch.inference_mode():
            model(input_ids=ids, use_cache=False, logits_to_keep=args.new + 1)
        wait(args)
        seconds.append(time.perf_counter() - clock)
    report(args, seconds=seconds, new_tokens_per_second=[args.rows * args.new / s for s in seconds])


if __name__ == "__main__":
    main()
