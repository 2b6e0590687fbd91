import torch
from serve import serve, settings

a, b = torch.randn(settings["n"], settings["n"]), torch.randn(settings["n"], settings["n"])


def run():
    for _ in range(settings["repeat"]):
        a @ b


serve(run)
