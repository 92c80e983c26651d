"""Seconds of one GRPO step in plain PyTorch and transformers: forward, loss, backward, clip, AdamW.

The same step as `cargo run --release -p grail-torch --example step_speed`: one group, dapo at the sequence level, an entropy
bonus. Logits are kept for the completions only, as a careful user would. Weights are 32-bit floats; with
`--dtype bfloat16` products are brain floats by autocast, which is how plain PyTorch keeps 32-bit masters.
Prints one JSON object.
Needs torch 2.11.0 and transformers 4.57.6.
"""

import resource
import time

import torch

from common import arguments, load, report, wait
from prompt import prompt


def log_probs(model, ids: torch.Tensor, new: int) -> tuple[torch.Tensor, torch.Tensor]:
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=new + 1).logits[:, :-1]
    logp = logits.float().log_softmax(-1)
    entropy = -(logp.exp() * logp).sum(-1)
    return logp.gather(-1, ids[:, -new:, None]).squeeze(-1), entropy


def main() -> None:
    args = arguments()
    mixed_precision = args.dtype == "bfloat16"
    mixed = torch.autocast(args.device, torch.bfloat16, enabled=mixed_precision)
    args.dtype = "float32"
    model = load(args)
    generator = torch.Generator().manual_seed(0)
    start = torch.tensor([prompt(args.prompt)] * args.rows)
    completions = torch.randint(0, model.config.vocab_size, (args.rows, args.new), generator=generator)
    ids = torch.cat([start, completions], dim=1).to(args.device)
    with torch.inference_mode(), mixed:
        behaviour = log_probs(model, ids, args.new)[0]
    behaviour = behaviour.clone()
    advantages = torch.tensor([0.5, -0.5] * args.rows, device=args.device)[: args.rows]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-6, betas=(0.9, 0.95), weight_decay=0.1, fused=True
    )
    seconds, cpu, losses = [], [], []
    for _ in range(args.runs):
        clock, processor = time.perf_counter(), time.process_time()
        with mixed:
            current, entropy = log_probs(model, ids, args.new)
        log_ratio = (current - behaviour).mean(1).clamp(-5, 5)
        ratio = log_ratio.exp().clamp(max=10)
        terms = -torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.28) * advantages)
        loss = terms.mean() - 0.001 * entropy.mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        wait(args)
        seconds.append(time.perf_counter() - clock)
        cpu.append(time.process_time() - processor)
    report(
        args,
        mixed_precision=mixed_precision,
        seconds=seconds,
        cpu_seconds=cpu,
        tokens_per_second=[args.rows * (args.prompt + args.new) / s for s in seconds],
        losses=losses,
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


if __name__ == "__main__":
    main()
