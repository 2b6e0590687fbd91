"""compress.py METHOD FOLDER OUT: reads a Hugging Face folder, compresses the linear layers of its blocks, packs and writes them."""

import os
import sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file

torch.set_num_threads(int(os.environ.get("TERSOR_THREADS", os.cpu_count())))
METHOD, FOLDER, OUT = sys.argv[1:4]
NF4 = [-1, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0]
NF4 += [0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1]


def pack(codes):
    """Two codes a byte."""
    codes = codes.reshape(-1, 2)
    return codes[:, 0] | (codes[:, 1] << 4)


def report(before, after):
    return ((before - after).square().sum() / before.square().sum()).item()


def rtn(w):
    groups = w.reshape(-1, 128)
    scale = (groups.abs().amax(1, keepdim=True) * 2 / 15).half().float().clamp_min_(1e-12)
    codes = (groups / scale).round_().add_(8).clamp_(0, 15)
    report(groups, (codes - 8) * scale)
    return {"data": pack(codes.to(torch.uint8)), "scale": scale.half()}


def nf4(w):
    blocks = w.reshape(-1, 64)
    scale = blocks.abs().amax(1, keepdim=True).clamp_min_(1e-38)
    levels = torch.tensor(NF4)
    codes = torch.bucketize(blocks / scale, (levels[1:] + levels[:-1]) / 2)
    report(blocks, levels[codes] * scale)
    return {"data": pack(codes.to(torch.uint8)), "scale": scale}


def fp8(w):
    scale = (w.abs().amax(1, keepdim=True) / 448).clamp_min_(1e-12)
    codes = (w / scale).to(torch.float8_e4m3fn)
    report(w, codes.float() * scale)
    return {"data": codes, "scale": scale}


def mxfp4(w):
    groups = w.reshape(-1, 32)
    exponent = groups.abs().amax(1, keepdim=True).clamp_min_(2.0**-125).log2().floor_() - 2
    scale = torch.exp2(exponent)
    levels = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
    x = groups / scale
    codes = torch.bucketize(x.abs(), (levels[1:] + levels[:-1]) / 2)
    report(groups, levels[codes] * x.sign() * scale)
    return {"data": pack(codes.to(torch.uint8) | ((x < 0).to(torch.uint8) << 3)), "scale": (exponent + 127).to(torch.uint8)}


def magnitude(w):
    size = w.abs()
    threshold = size.flatten().kthvalue(w.numel() // 2).values
    keep = size > threshold
    report(w, w * keep)
    bits = keep.reshape(-1, 8).to(torch.uint8) << torch.arange(8, dtype=torch.uint8)
    return {"mask": bits.sum(1, dtype=torch.uint8), "values": w[keep].bfloat16()}


def hqq(w):
    """The authors' loop: 20 iterations at most, all groups together."""
    groups = w.reshape(-1, 64)
    low, high = groups.amin(1, keepdim=True), groups.amax(1, keepdim=True)
    scale = ((high - low) / 15).clamp_min_(1e-12)
    zero, beta, best = -low / scale, 10.0, float("inf")
    for _ in range(20):
        codes = (groups / scale + zero).round_().clamp_(0, 15)
        error = groups - (codes - zero) * scale
        outlier = error.sign() * torch.relu(error.abs() - error.abs().clamp_min(1e-12).pow(-0.3) / beta)
        zero = (codes - (groups - outlier) / scale).mean(1, keepdim=True)
        beta *= 1.01
        now = error.abs().mean().item()
        if now >= best:
            break
        best = now
    codes = (groups / scale + zero).round_().clamp_(0, 15)
    report(groups, (codes - zero) * scale)
    return {"data": pack(codes.to(torch.uint8)), "scale": scale.half(), "zero": zero.half()}


METHODS = {"rtn": rtn, "nf4": nf4, "fp8": fp8, "mxfp4": mxfp4, "magnitude": magnitude, "hqq": hqq}

with torch.inference_mode():
    result = {}
    with safe_open(os.path.join(FOLDER, "model.safetensors"), "pt") as source:
        for name in source.keys():
            tensor = source.get_tensor(name)
            if "_proj" not in name:
                result[name] = tensor
                continue
            parts = METHODS[METHOD](tensor.float())
            result.update({f"{name}/{part}": value.contiguous() for part, value in parts.items()})
    os.makedirs(OUT, exist_ok=True)
    save_file(result, os.path.join(OUT, "model.safetensors"))
