"""What the scripts over transformers share: arguments, the model, the report."""

import argparse
import json

import torch
import transformers
from transformers import AutoModelForCausalLM


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="Hugging Face folder")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--prompt", type=int, default=150)
    parser.add_argument("--new", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    return parser.parse_args()


def load(args: argparse.Namespace):
    torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=getattr(torch, args.dtype))
    return model.to(args.device).eval()


def wait(args: argparse.Namespace) -> None:
    """Until the device has done what it was given; a processor always has."""
    if args.device != "cpu":
        torch.cuda.synchronize()


def report(args: argparse.Namespace, **values) -> None:
    place = {"device": args.device, "dtype": args.dtype}
    if args.device != "cpu":
        place |= {"name": torch.cuda.get_device_name(), "peak_device_mb": torch.cuda.max_memory_allocated() / 2**20}
    about = {"torch": torch.__version__, "transformers": transformers.__version__, **place}
    print(json.dumps({**about, "threads": args.threads, "rows": args.rows, **values}, indent=2))
