#!/usr/bin/env bash
# tokenizers 0.22.2 (PyPI; the crate of that version, and 0.23.3, do the same).
#
# One would guess: `added_tokens` of a tokenizer.json say which id each token has, and a file whose ids do not fit is refused.
# They are counted instead: a token that the model's vocabulary lacks gets the next number after the vocabulary's size, whatever
# its own entry says. The file loads without an error, and saves again with the other number.
# Where ids have holes (a vocabulary that was cut down, padding rows before the special tokens), every special token then
# means another row of the model's table.
#
# Seen: an entry with the id 100 over a vocabulary of 2 texts has the id 2.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tokenizers==0.22.2
"$folder/venv/bin/python" - <<'PY'
import json
import tokenizers

token = {"id": 100, "content": "<end>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
file = {
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": [token], "normalizer": None,
    "pre_tokenizer": None, "post_processor": None, "decoder": None,
    "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"},
}
loaded = tokenizers.Tokenizer.from_str(json.dumps(file))
print("tokenizers", tokenizers.__version__)
print("the file says 100, the token has", loaded.token_to_id("<end>"))
print("saved again as", json.loads(loaded.to_str())["added_tokens"][0]["id"])
assert loaded.token_to_id("<end>") == 2, "CHANGED"
PY
