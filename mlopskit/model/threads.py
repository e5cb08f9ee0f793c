"""How many threads a fit or a prediction may use: one each.

Threads inside one small fit or one row's prediction wait for each other more than they compute: with two threads on
two busy cores boosting took 20 times as long to fit and 50 times as long to score a row. One thread also makes sums
come out the same on any machine. Work is spread over configurations and requests instead.
"""

from __future__ import annotations

from functools import cache
from typing import Any


def fit_in_one_thread() -> Any:
    """Hold BLAS (for the whole process) and OpenMP (for this thread) at one thread while the block runs."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)


def predict_in_one_thread() -> Any:
    """Hold OpenMP at one thread for the thread that calls, at the cost of microseconds."""
    return _openmp().limit(limits=1)


@cache
def _openmp() -> Any:
    """Find the OpenMP libraries once (4 ms): scikit-learn has loaded them by the time that there is a model."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="openmp")
