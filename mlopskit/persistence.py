"""skops.io, which keeps models as data; importing it this way imports no other framework.

It asks scikit-learn for all its estimators, which walks through all packages of scikit-learn, and so through those that
import PyTorch, CuPy and Dask wherever they are installed: up to seconds, and hundreds of megabytes.
"""

from __future__ import annotations

from mlopskit.lean import without

with without(*(f"sklearn.externals.array_api_compat.{name}" for name in ("torch", "cupy", "dask"))):
    from skops import io as skops_io

__all__ = ["skops_io"]
