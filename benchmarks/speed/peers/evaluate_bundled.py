"""Perplexity of a Llama in a Hugging Face folder over windows of token ids, batches of up to 2,048 tokens of one length."""
import json
import math
import os
import struct
import sys

import torch
import torch.nn.functional as functional

torch.set_num_threads(int(os.environ.get("TERSOR_THREADS", "1")))
folder, windows = sys.argv[1], json.load(open(sys.argv[2]))
config = json.load(open(os.path.join(folder, "config.json")))
HIDDEN, HEADS, KEYS, SIZE = (config[name] for name in ("hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim"))
EPSILON, LAYERS = config["rms_norm_eps"], config["num_hidden_layers"]

with open(os.path.join(folder, "model.safetensors"), "rb") as file:
    header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    data = bytearray(file.read())
weights = {
    name: torch.frombuffer(data[entry["data_offsets"][0] : entry["data_offsets"][1]], dtype=torch.bfloat16).float().view(entry["shape"])
    for name, entry in header.items()
    if name != "__metadata__"
}
angles = torch.arange(config["max_position_embeddings"])[:, None] / config["rope_theta"] ** (torch.arange(SIZE // 2) / (SIZE // 2))[None]
cosine, sine = (torch.cat([f, f], -1) for f in (angles.cos(), angles.sin()))


def normalised(x, name):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON) * weights[name]


def rotated(x):
    a, b = x.chunk(2, -1)
    return x * cosine[: x.shape[2]] + torch.cat([-b, a], -1) * sine[: x.shape[2]]


def linear(x, name):
    return x @ weights[name].T


def logits(ids):
    batch, count = ids.shape
    x = functional.embedding(ids, weights["model.embed_tokens.weight"])
    for layer in range(LAYERS):
        block = f"model.layers.{layer}."
        y = normalised(x, block + "input_layernorm.weight")
        heads = lambda name, number: linear(y, block + f"self_attn.{name}_proj.weight").view(batch, count, number, SIZE).transpose(1, 2)
        q, k, v = rotated(heads("q", HEADS)), rotated(heads("k", KEYS)), heads("v", KEYS)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + linear(mixed.transpose(1, 2).reshape(batch, count, HEADS * SIZE), block + "self_attn.o_proj.weight")
        y = normalised(x, block + "post_attention_layernorm.weight")
        inner = functional.silu(linear(y, block + "mlp.gate_proj.weight")) * linear(y, block + "mlp.up_proj.weight")
        x = x + linear(inner, block + "mlp.down_proj.weight")
    return normalised(x, "model.norm.weight") @ weights["model.embed_tokens.weight"].T


by_length = {}
for window in windows:
    by_length.setdefault(len(window), []).append(window)
loss, tokens = 0.0, 0
with torch.no_grad():
    for length, alike in by_length.items():
        if length < 2:
            continue
        rows = max(1, 2048 // length)
        for start in range(0, len(alike), rows):
            ids = torch.tensor(alike[start : start + rows])
            output = logits(ids[:, :-1]).flatten(0, 1)
            loss += functional.cross_entropy(output, ids[:, 1:].flatten(), reduction="sum").item()
            tokens += ids[:, 1:].numel()
print(json.dumps({"perplexity": math.exp(loss / tokens), "tokens": tokens}), file=sys.stderr)
