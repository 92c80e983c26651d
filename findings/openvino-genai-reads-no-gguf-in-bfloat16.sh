#!/usr/bin/env bash
# openvino-genai 2026.4.1.0 (PyPI), over files that gguf 0.17.1 (PyPI) writes.
#
# One would guess: a program that reads GGUF models in F16, Q4 and Q8 reads BF16 too, the format in which most models are
# published and which llama.cpp's converter writes with `--outtype bf16`.
# It stops with "Unsupported quantization type", which names neither the tensor nor the type. The same file in F16 gets past
# that place (this one is too small to be a model, so it is refused later, for something else). Whoever has a BF16 file writes
# it again as F16, where small weights lose digits.
#
# Seen: BF16 is refused with those words, F16 is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino-genai==2026.4.1.0 gguf==0.17.1
cat >"$folder/try.py" <<'PY'
import sys

import gguf
import numpy as np
import openvino_genai

folder, kind = sys.argv[1:]
path = f"{folder}/{kind}.gguf"
file = gguf.GGUFWriter(path, "llama")
for add, value in [
    (file.add_block_count, 1), (file.add_context_length, 64), (file.add_embedding_length, 64),
    (file.add_feed_forward_length, 64), (file.add_head_count, 2), (file.add_head_count_kv, 2),
    (file.add_layer_norm_rms_eps, 1e-5), (file.add_rope_freq_base, 10_000.0), (file.add_rope_dimension_count, 32),
    (file.add_vocab_size, 32), (file.add_tokenizer_model, "gpt2"), (file.add_tokenizer_pre, "default"),
    (file.add_token_list, [f"t{at}" for at in range(32)]), (file.add_token_types, [1] * 32),
    (file.add_token_merges, ["t 1"]), (file.add_bos_token_id, 0), (file.add_eos_token_id, 1),
    (file.add_file_type, gguf.LlamaFileType.MOSTLY_BF16 if kind == "bf16" else gguf.LlamaFileType.MOSTLY_F16),
]:
    add(value)


def matrix(name, rows):
    if kind == "bf16":
        file.add_tensor(name, np.zeros((rows, 128), np.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)
    else:
        file.add_tensor(name, np.zeros((rows, 64), np.float16))


matrix("token_embd.weight", 32)
for name in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]:
    matrix(f"blk.0.{name}.weight", 64)
for name in ["output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"]:
    file.add_tensor(f"{name}.weight", np.zeros(64, np.float32))
file.write_header_to_file()
file.write_kv_data_to_file()
file.write_tensors_to_file()
file.close()
try:
    openvino_genai.LLMPipeline(path, "CPU")
    said = "it loads"
except Exception as error:
    said = str(error).strip().splitlines()[-1]
refused = "Unsupported quantization type" in said
print(kind, "-", "Unsupported quantization type" if refused else "another answer")
sys.exit(refused != (kind == "bf16"))
PY
for kind in bf16 f16; do
    "$folder/venv/bin/python" "$folder/try.py" "$folder" "$kind" || { echo "CHANGED: $kind"; exit 1; }
done
