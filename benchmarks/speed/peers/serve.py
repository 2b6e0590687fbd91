"""The other side of serve.ts: warms up, says so, then runs once for each line on stdin."""
import json
import os
import sys
import time

import torch

torch.set_num_threads(int(os.environ.get("TERSOR_THREADS", "1")))
settings = json.loads(sys.argv[1])


def answer(value):
    print("@ " + json.dumps(value), flush=True)


def serve(run):
    for _ in range(int(settings.get("warm", 3))):
        run()
    answer({"engine": "PyTorch", "version": "PyTorch " + torch.__version__, "threads": torch.get_num_threads()})
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        answer((time.perf_counter() - start) * 1e3)


def positive_definite(n):
    """X^T X / rows + I with X of 2n normal rows."""
    x = torch.randn(2 * n, n)
    return x.T @ x / (2 * n) + torch.eye(n)
