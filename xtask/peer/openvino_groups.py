"""OpenVINO GenAI: tokens per second of groups after one prompt, temperature 1, top-p 0.95, continuous batching.

Reads a GGUF file in F16, the one sixteen-bit format of such files that it takes, and computes in what it chooses by
itself for the processor (brain floats where there are instructions for them), or in `--precision f32`.
Rows of a group are the sequences of one request, which share the prompt. Each group runs `--runs` times and the last
counts. Prints one JSON object. Needs openvino-genai 2026.4.1, made by `install.py openvino`.
"""

import argparse
import json
import resource
import time

import numpy
import openvino
import openvino_genai

from prompt import groups, prompt


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="GGUF file")
    parser.add_argument("--groups", type=groups, default="16x128,4x48,1x48")
    parser.add_argument("--prompt", type=int, default=150)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--precision", default="")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    start = time.perf_counter()
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.max_num_seqs = max(16, *(rows for rows, _ in args.groups))
    # Gigabytes; one hundredth of it holds the largest group.
    scheduler.cache_size = 2
    properties = {"INFERENCE_NUM_THREADS": args.threads}
    if args.precision:
        properties["INFERENCE_PRECISION_HINT"] = args.precision
    pipe = openvino_genai.LLMPipeline(args.model, "CPU", scheduler_config=scheduler, **properties)
    load_seconds = time.perf_counter() - start
    ids = openvino.Tensor(numpy.array([prompt(args.prompt)], dtype=numpy.int64))

    runs = []
    for rows, new in args.groups:
        rule = openvino_genai.GenerationConfig()
        rule.max_new_tokens = rule.min_new_tokens = new
        rule.ignore_eos = True
        rule.do_sample, rule.temperature, rule.top_p = True, 1.0, 0.95
        rule.num_return_sequences = rows
        for run in range(args.runs):
            rule.rng_seed = run
            clock = time.perf_counter()
            answer = pipe.generate(ids, rule)
            seconds = time.perf_counter() - clock
            tokens = sum(len(row) for row in answer.tokens)
            assert tokens == rows * new, tokens
        runs.append({"rows": rows, "tokens_per_second": tokens / seconds})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    about = {"openvino": openvino.__version__, "precision": args.precision or "its own choice", "threads": args.threads}
    print("\n" + json.dumps({**about, "load_seconds": load_seconds, "peak_rss_mb": peak, "runs": runs}))


if __name__ == "__main__":
    main()
