"""calibrated.py METHOD FOLDER OUT TEXT: takes a text through a Llama folder block by block, compresses, packs and writes."""

import json
import os
import sys

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer

torch.set_num_threads(int(os.environ.get("TERSOR_THREADS", os.cpu_count())))
METHOD, FOLDER, OUT, TEXT = sys.argv[1:5]
CONFIG = json.load(open(os.path.join(FOLDER, "config.json")))
HEADS, KEYS = CONFIG["num_attention_heads"], CONFIG["num_key_value_heads"]
SIZE = CONFIG["hidden_size"] // HEADS
GROUP, BITS, BLOCK, DAMPING = 128, 4, 128, 0.01
QKV = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]
O, GATE, UP, DOWN = "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"


def norm(x, weight):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + CONFIG["rms_norm_eps"]) * weight


def rotated(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def run(w, x, see=lambda name, x: None):
    """One block on (batch, positions, hidden); `see` gets what goes into each linear layer."""
    batch, length, _ = x.shape
    angles = torch.arange(length)[:, None] * 10000.0 ** (-torch.arange(0, SIZE, 2) / SIZE)
    cos, sin = torch.cat([angles.cos()] * 2, -1), torch.cat([angles.sin()] * 2, -1)
    y = norm(x, w["input_layernorm"])
    see("qkv", y)
    q, k, v = [F.linear(y, w[name]).view(batch, length, -1, SIZE).transpose(1, 2) for name in QKV]
    a = F.scaled_dot_product_attention(rotated(q, cos, sin), rotated(k, cos, sin), v, is_causal=True, enable_gqa=True)
    a = a.transpose(1, 2).reshape(batch, length, -1)
    see("o", a)
    x = x + F.linear(a, w[O])
    y = norm(x, w["post_attention_layernorm"])
    see("mlp", y)
    h = F.silu(F.linear(y, w[GATE])) * F.linear(y, w[UP])
    see("down", h)
    return x + F.linear(h, w[DOWN])


def pack(codes):
    """Two codes a byte."""
    codes = codes.reshape(-1, 2).to(torch.uint8)
    return codes[:, 0] | (codes[:, 1] << 4)


def pack_mask(w, keep):
    bits = keep.reshape(-1, 8).to(torch.uint8) << torch.arange(8, dtype=torch.uint8)
    return {"mask": bits.sum(1, dtype=torch.uint8), "values": w[keep].bfloat16()}


def report(before, after):
    return ((before - after).square().sum() / before.square().sum()).item()


def line(groups):
    """Symmetric: the scale of each row of (rows, group)."""
    return (groups.abs().amax(1, keepdim=True) * 2 / (2**BITS - 1)).half().float().clamp_min_(1e-12)


def factor(h):
    """U with H^-1 = U^T U."""
    dead = h.diagonal() == 0
    h.diagonal()[dead] = 1
    h.diagonal().add_(DAMPING * h.diagonal().mean())
    return torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)


def sweep(w, u, begin, column):
    """The authors' loop: blocks of 128, errors behind them in one product."""
    w, out = w.clone(), torch.empty_like(w)
    for start in range(0, w.shape[1], BLOCK):
        end = min(start + BLOCK, w.shape[1])
        begin(start, end, w)
        block, inner = w[:, start:end].clone(), u[start:end, start:end]
        errors = torch.empty_like(block)
        for j in range(end - start):
            q = column(start + j, block[:, j])
            out[:, start + j] = q
            errors[:, j] = (block[:, j] - q) / inner[j, j]
            block[:, j:] -= errors[:, j : j + 1] @ inner[j : j + 1, j:]
        w[:, end:] -= errors @ u[start:end, end:]
    return out


def gptq(w, gram):
    scales, codes = [], torch.empty(w.shape, dtype=torch.uint8)

    def begin(start, end, now):
        scales.append(line(now[:, start:end])[:, 0])

    def column(j, values):
        code = (values / scales[-1]).round_().add_(2 ** (BITS - 1)).clamp_(0, 2**BITS - 1)
        codes[:, j] = code
        return (code - 2 ** (BITS - 1)) * scales[-1]

    q = sweep(w, factor(gram), begin, column)
    report(w, q)
    return q, {"data": pack(codes), "scale": torch.stack(scales, 1).half()}


def sparsegpt(w, gram):
    u, kept = factor(gram), torch.empty(w.shape, dtype=torch.bool)

    def begin(start, end, now):
        score = now[:, start:end].square() / u.diagonal()[start:end].square()
        kept[:, start:end] = score > score.flatten().kthvalue(score.numel() // 2).values

    q = sweep(w, u, begin, lambda j, values: values * kept[:, j])
    report(w, q)
    return q, pack_mask(q, kept)


def wanda(w, squares):
    score = w.abs() * squares.sqrt()
    kept = torch.ones_like(w, dtype=torch.bool)
    kept.scatter_(1, score.argsort(dim=1, stable=True)[:, : w.shape[1] // 2], False)
    q = w * kept
    report(w, q)
    return q, pack_mask(w, kept)


def rtn(w):
    groups = w.reshape(-1, GROUP)
    scale = line(groups)
    codes = (groups / scale).round_().add_(8).clamp_(0, 15)
    report(groups, (codes - 8) * scale)
    return {"data": pack(codes), "scale": scale.half()}


def awq(w, grams, means):
    """The scales of 20 with the least error of the layers that read the channels; then rounding."""
    groups = [("qkv", QKV, "input_layernorm"), ("mlp", [GATE, UP], "post_attention_layernorm"), ("down", [DOWN], UP)]
    if w[QKV[2]].shape[0] == w[O].shape[1]:
        groups.append(("o", [O], QKV[2]))
    for seen, readers, writer in groups:
        best, chosen = float("inf"), None
        for step in range(20):
            s = means[seen].pow(step / 20).clamp_min_(1e-4)
            s = s / (s.max() * s.min()).sqrt()
            error = 0.0
            for name in readers:
                scaled = (w[name] * s).reshape(-1, GROUP)
                scale = line(scaled)
                off = (((scaled / scale).round_().clamp_(-8, 7) * scale).reshape(w[name].shape) / s).sub_(w[name])
                error += (off @ grams[seen] * off).sum().item()
            if error < best:
                best, chosen = error, s
        for name in readers:
            w[name] *= chosen
        w[writer] = w[writer] / (chosen if w[writer].dim() == 1 else chosen[:, None])
    return {name: rtn(w[name]) for name in [*QKV, O, GATE, UP, DOWN]}


READS = {"qkv": QKV, "o": [O], "mlp": [GATE, UP], "down": [DOWN]}


def compress(w, x):
    """Parts of the block's layers and what goes into the next block; the weights become what they stand for."""
    grams, means, squares = {}, {}, {}

    def see(name, value):
        rows = value.reshape(-1, value.shape[-1])
        if METHOD == "wanda":
            squares[name] = rows.square().sum(0)
            return
        grams[name] = rows.T @ rows
        means[name] = rows.abs().mean(0)

    after = run(w, x, see)
    if METHOD == "awq":
        return awq(w, grams, means), after
    parts = {}
    for seen, names in READS.items():
        for name in names:
            statistics = squares[seen] if METHOD == "wanda" else grams[seen].clone()
            w[name], parts[name] = {"gptq": gptq, "sparsegpt": sparsegpt, "wanda": wanda}[METHOD](w[name], statistics)
    return parts, run(w, x)


with torch.inference_mode(), safe_open(os.path.join(FOLDER, "model.safetensors"), "pt") as source:
    length = CONFIG["max_position_embeddings"]
    ids = Tokenizer.from_file(os.path.join(FOLDER, "tokenizer.json")).encode(open(TEXT).read()).ids
    ids = torch.tensor(ids[: len(ids) // length * length]).view(-1, length)
    x = F.embedding(ids, source.get_tensor("model.embed_tokens.weight")).float()
    result = {name: source.get_tensor(name) for name in source.keys() if ".layers." not in name}
    for layer in range(CONFIG["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        names = [name for name in source.keys() if name.startswith(prefix)]
        w = {name[len(prefix) : -len(".weight")]: source.get_tensor(name).float() for name in names}
        parts, x = compress(w, x)
        for name, value in w.items():
            if name not in parts:
                result[f"{prefix}{name}.weight"] = value if METHOD == "awq" else value.bfloat16()
        result.update({f"{prefix}{name}/{part}": value.contiguous() for name, made in parts.items() for part, value in made.items()})
    os.makedirs(OUT, exist_ok=True)
    save_file(result, os.path.join(OUT, "model.safetensors"))
