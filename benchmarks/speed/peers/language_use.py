"""Decoding with a cache of keys and values, and perplexity, of a random network of the Llama kind."""
import math

import torch
import torch.nn.functional as functional
from serve import serve, settings

HIDDEN, INNER, LAYERS, HEADS, VOCABULARY = (settings[name] for name in ("hidden", "feedForward", "layers", "heads", "vocabulary"))
HEAD = HIDDEN // HEADS
PROMPT, WINDOW, ROWS = 16, 256, 7


def matrix(rows, columns):
    return torch.randn(rows, columns) * 0.2


def block():
    squares = [matrix(HIDDEN, HIDDEN) for _ in range(4)]
    return (*squares, matrix(INNER, HIDDEN), matrix(INNER, HIDDEN), matrix(HIDDEN, INNER), torch.ones(HIDDEN), torch.ones(HIDDEN))


embedding, head, norm = matrix(VOCABULARY, HIDDEN), matrix(VOCABULARY, HIDDEN), torch.ones(HIDDEN)
blocks = [block() for _ in range(LAYERS)]
angles = torch.arange(1024)[:, None] / 10000 ** (torch.arange(HEAD // 2) / (HEAD // 2))[None]
cosine, sine = (torch.cat([f, f], -1) for f in (angles.cos(), angles.sin()))


def normalised(x, gain):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * gain


def rotated(x, start):
    a, b = x.chunk(2, -1)
    end = start + x.shape[2]
    return x * cosine[start:end] + torch.cat([-b, a], -1) * sine[start:end]


def logits(ids, caches=None):
    batch, count = ids.shape
    start = caches[0][0].shape[2] if caches and caches[0] else 0
    x = functional.embedding(ids, embedding)
    for layer, (query, key, value, output, gate, up, down, norm1, norm2) in enumerate(blocks):
        y = normalised(x, norm1)
        q, k, v = ((y @ w.T).view(batch, count, HEADS, HEAD).transpose(1, 2) for w in (query, key, value))
        q, k = rotated(q, start), rotated(k, start)
        if caches is not None:
            if caches[layer]:
                k, v = torch.cat([caches[layer][0], k], 2), torch.cat([caches[layer][1], v], 2)
            caches[layer] = (k, v)
        scores = q @ k.transpose(-1, -2) / math.sqrt(HEAD)
        if count > 1:
            scores = scores + torch.triu(torch.full((count, count), float("-inf")), 1)
        x = x + (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, count, HIDDEN) @ output.T
        y = normalised(x, norm2)
        x = x + (functional.silu(y @ gate.T) * (y @ up.T)) @ down.T
    return normalised(x if caches is None else x[:, -1:], norm) @ head.T


prompt = torch.randint(VOCABULARY, (1, PROMPT))
text = torch.randint(VOCABULARY, (settings.get("windows", 1), WINDOW + 1))


@torch.no_grad()
def decode():
    caches, ids = [None] * LAYERS, prompt
    for _ in range(settings["tokens"]):
        ids = logits(ids, caches)[:, -1].argmax(-1, keepdim=True)
        ids.item()


@torch.no_grad()
def perplexity():
    loss = 0.0
    for windows in text.split(ROWS):
        output = logits(windows[:, :-1])
        loss += functional.cross_entropy(output.flatten(0, 1), windows[:, 1:].flatten(), reduction="sum").item()
    return math.exp(loss / (text.shape[0] * WINDOW))


serve(decode if settings["what"] == "decode" else perplexity)
