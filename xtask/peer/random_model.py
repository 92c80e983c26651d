"""Writes a Hugging Face folder with random weights in the shape of a known model, for measuring speed where the weights
themselves cannot be had: `random_model.py FOLDER SHAPE [--device cuda]`.

The output head is wide enough that a few tokens hold most of the probability, as in a trained model: a flat distribution
would make drawing look expensive. Needs torch and safetensors.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

SHAPES = {
    "qwen2.5-7b": {"hidden": 3584, "intermediate": 18944, "layers": 28, "heads": 28, "keys": 4, "vocabulary": 152064},
    "qwen2.5-1.5b": {"hidden": 1536, "intermediate": 8960, "layers": 28, "heads": 12, "keys": 2, "vocabulary": 151936},
}
# Standard deviation of logits over a state of length sqrt(hidden).
SPREAD = 6.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    shape = SHAPES[args.shape]
    hidden, inner, vocabulary = shape["hidden"], shape["intermediate"], shape["vocabulary"]
    keys = hidden // shape["heads"] * shape["keys"]
    generator = torch.Generator(args.device).manual_seed(0)

    def random(*size: int, deviation: float = 0.02) -> torch.Tensor:
        values = torch.empty(size, dtype=torch.bfloat16, device=args.device)
        return values.normal_(0, deviation, generator=generator).cpu()

    args.folder.mkdir(parents=True, exist_ok=True)
    index = {}

    def save(name: str, tensors: dict[str, torch.Tensor]) -> None:
        save_file(tensors, args.folder / name, metadata={"format": "pt"})
        index.update(dict.fromkeys(tensors, name))

    for layer in range(shape["layers"]):
        at = f"model.layers.{layer}"
        save(
            f"layer-{layer:02}.safetensors",
            {
                f"{at}.input_layernorm.weight": torch.ones(hidden, dtype=torch.bfloat16),
                f"{at}.self_attn.q_proj.weight": random(hidden, hidden),
                f"{at}.self_attn.q_proj.bias": random(hidden),
                f"{at}.self_attn.k_proj.weight": random(keys, hidden),
                f"{at}.self_attn.k_proj.bias": random(keys),
                f"{at}.self_attn.v_proj.weight": random(keys, hidden),
                f"{at}.self_attn.v_proj.bias": random(keys),
                f"{at}.self_attn.o_proj.weight": random(hidden, hidden),
                f"{at}.post_attention_layernorm.weight": torch.ones(hidden, dtype=torch.bfloat16),
                f"{at}.mlp.gate_proj.weight": random(inner, hidden),
                f"{at}.mlp.up_proj.weight": random(inner, hidden),
                f"{at}.mlp.down_proj.weight": random(hidden, inner),
            },
        )
    ends = {
        "model.embed_tokens.weight": random(vocabulary, hidden),
        "model.norm.weight": torch.ones(hidden, dtype=torch.bfloat16),
        "lm_head.weight": random(vocabulary, hidden, deviation=SPREAD / hidden**0.5),
    }
    save("ends.safetensors", ends)
    total = sum((args.folder / name).stat().st_size for name in set(index.values()))
    (args.folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": index})
    )
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": shape["layers"],
        "num_attention_heads": shape["heads"],
        "num_key_value_heads": shape["keys"],
        "vocab_size": vocabulary,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "torch_dtype": "bfloat16",
        "eos_token_id": vocabulary - 1,
    }
    (args.folder / "config.json").write_text(json.dumps(config, indent=2))
    (args.folder / "generation_config.json").write_text(json.dumps({"eos_token_id": vocabulary - 1}))


if __name__ == "__main__":
    main()
