"""GPTQ and SparseGPT as their papers have them: damp, invert, then column by column in blocks of 128."""
import torch
from serve import positive_definite, serve, settings

N, BLOCK, GROUP = settings["n"], 128, 128
hessian = positive_definite(N)
weight = torch.randn(N, N) * 0.02


def inverse_upper():
    """U with H^-1 = U^T U, after damping."""
    damped = hessian.clone()
    damped.diagonal().add_(0.01 * damped.diagonal().mean())
    return torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)


def grid(group):
    low, high = group.amin(1).clamp(max=0), group.amax(1).clamp(min=0)
    scale = (high - low).clamp(min=1e-12) / 15
    return scale, torch.round(-low / scale)


def rounded(column, scale, zero):
    return scale * ((torch.round(column / scale) + zero).clamp(0, 15) - zero)


def sweep(prune):
    upper, current, result = inverse_upper(), weight.clone(), torch.empty_like(weight)
    for start in range(0, N, BLOCK):
        end = min(start + BLOCK, N)
        block, factors = current[:, start:end].clone(), upper[start:end, start:end]
        errors = torch.empty_like(block)
        if prune:
            scores = (block / factors.diagonal()) ** 2
            kept = scores > scores.flatten().kthvalue(scores.numel() // 2).values
        for j in range(end - start):
            column = block[:, j]
            if prune:
                compressed = column * kept[:, j]
            else:
                if (start + j) % GROUP == 0:
                    scale, zero = grid(block[:, j : j + GROUP])
                compressed = rounded(column, scale, zero)
            result[:, start + j] = compressed
            error = (column - compressed) / factors[j, j]
            block[:, j:] -= torch.outer(error, factors[j, j:])
            errors[:, j] = error
        current[:, end:] -= errors @ upper[start:end, end:]
    return result


@torch.no_grad()
def run():
    sweep(settings["what"] == "sparse-gpt")


serve(run)
