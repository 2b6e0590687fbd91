import torch
from serve import positive_definite, serve, settings

n, what = settings["n"], settings["what"]
matrix = torch.randn(n, n) if what.endswith("svd") else positive_definite(n)
work = {
    "cholesky": lambda: torch.linalg.cholesky(matrix),
    "eigen": lambda: torch.linalg.eigh(matrix),
    "svd": lambda: torch.linalg.svd(matrix, full_matrices=False),
    "randomized-svd": lambda: torch.svd_lowrank(matrix, q=settings["rank"] + settings["oversampling"], niter=settings["iterations"]),
}
serve(work[what])
