"""Tokens per second of transformers' `generate`: rows x new tokens after one prompt, temperature 1, top-p 0.95.

Prints one JSON object. No token ends a completion. Needs torch 2.11.0 and transformers 4.57.6.
"""

import time

import torch

from common import arguments, load, report, wait
from prompt import prompt


def main() -> None:
    args = arguments()
    model = load(args)
    # Sampling as the measured policy has it: no top-k, no end token.
    model.generation_config.update(eos_token_id=None, pad_token_id=0)
    ids = torch.tensor([prompt(args.prompt)] * args.rows, device=args.device)
    speeds = []
    for run in range(args.runs):
        torch.manual_seed(run)
        start = time.perf_counter()
        with torch.inference_mode():
            out = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                temperature=1.0,
                top_p=0.95,
                top_k=0,
                max_new_tokens=args.new,
                min_new_tokens=args.new,
            )
        wait(args)
        seconds = time.perf_counter() - start
        tokens = (out.shape[1] - ids.shape[1]) * args.rows
        assert tokens == args.new * args.rows, tokens
        speeds.append(tokens / seconds)
    report(args, tokens_per_second=speeds)


if __name__ == "__main__":
    main()
