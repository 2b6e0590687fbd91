"""RMSNorm, rotary attention, SwiGLU and cross entropy in plain operations; 4.2 million parameters."""
import math

import torch
import torch.nn.functional as functional
from serve import serve, settings

VOCABULARY, WIDTH, LAYERS, HEADS, INNER, LENGTH = 2048, 256, 4, 8, 683, 256
HEAD = WIDTH // HEADS
BATCH = settings["batch"]


def normal(deviation, *shape):
    return (torch.randn(*shape) * deviation).requires_grad_()


def ones():
    return torch.ones(WIDTH, requires_grad=True)


def block():
    squares = {name: normal(0.06, WIDTH, WIDTH) for name in ("query", "key", "value", "output")}
    widenings = {name: normal(0.06, WIDTH, INNER) for name in ("gate", "up")}
    return {**squares, **widenings, "down": normal(0.04, INNER, WIDTH), "norm1": ones(), "norm2": ones()}


embedding, head, norm = normal(0.02, VOCABULARY, WIDTH), normal(0.02, WIDTH, VOCABULARY), ones()
blocks = [block() for _ in range(LAYERS)]
parameters = [embedding, head, norm] + [each for layer in blocks for each in layer.values()]
angles = torch.arange(LENGTH)[:, None] / 10000 ** (torch.arange(HEAD // 2) / (HEAD // 2))[None]
cosine, sine = angles.cos(), angles.sin()
mask = torch.triu(torch.full((LENGTH, LENGTH), -1e9), 1)
tokens = torch.randint(VOCABULARY, (BATCH * LENGTH + 1,))


def normalised(x, gain):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * gain


def rotated(x):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1)


def in_heads(x):
    return x.view(BATCH, LENGTH, HEADS, HEAD).transpose(1, 2)


def logits():
    x = functional.embedding(tokens[:-1], embedding)
    for p in blocks:
        y = normalised(x, p["norm1"])
        query, key, value = (in_heads(y @ p[name]) for name in ("query", "key", "value"))
        scores = rotated(query) @ rotated(key).transpose(-1, -2) / math.sqrt(HEAD) + mask
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(BATCH * LENGTH, WIDTH)
        x = x + mixed @ p["output"]
        y = normalised(x, p["norm2"])
        x = x + (functional.silu(y @ p["gate"]) * (y @ p["up"])) @ p["down"]
    return normalised(x, norm) @ head


compiled = torch.compile if settings.get("compile") else lambda function: function
optimiser = torch.optim.Adam(parameters, lr=1e-3, fused=bool(settings.get("compile")))


@compiled
def loss_of():
    return functional.cross_entropy(logits(), tokens[1:])


def train():
    optimiser.zero_grad()
    loss = loss_of()
    loss.backward()
    optimiser.step()
    loss.item()


outputs = compiled(logits)


def forward():
    with torch.no_grad():
        outputs()


serve(train if settings["what"] == "train" else forward)
