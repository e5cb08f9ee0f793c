"""The drift detection method: watch the errors one by one and say when their rate has risen beyond its noise.

It needs no windows, so it says *when* something changed; it does not say what, and on a long stream it raises a false
alarm now and then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlopskit.data import ROW, TARGET, Target
from mlopskit.monitor.traffic import Traffic


@dataclass(frozen=True)
class Change:
    """An alarm or a warning of `ddm`.

    Attributes
    ----------
    index : int
        Position in the stream, from 0.
    kind : str
        ``warning`` or ``alarm``.
    rate : float
        Error rate since the last alarm, at that point.
    """

    index: int
    kind: str
    rate: float


def ddm(errors: Iterable[bool | int], *, warning: float = 2.0, alarm: float = 3.0, fewest: int = 30) -> list[Change]:
    """Drift detection method: watch a stream of errors and call an alarm when their rate has risen beyond its noise.

    After at least `fewest` errors seen, the lowest ``p + s`` so far is kept, with ``s = sqrt(p (1 − p) / t)``; a
    warning is a rate above that minimum by `warning` times its s, an alarm by `alarm` times. After an alarm
    everything starts anew.

    Parameters
    ----------
    errors : iterable of 0/1
        In the order in which they happened.

    Returns
    -------
    list of Change
        In order; only the first warning before each alarm.

    References
    ----------
    Gama, J., Medas, P., Castillo, G. and Rodrigues, P. (2004). Learning with drift detection. SBIA 2004.

    Examples
    --------
    >>> [change.kind for change in ddm([0, 1, 0, 0] * 50 + [1] * 20)]
    ['warning', 'alarm']
    """
    return list(_watch(errors, warning, alarm, fewest))


def _watch(errors: Iterable[bool | int], warning: float, alarm: float, fewest: int) -> Iterator[Change]:
    seen = wrong = 0
    best_rate = best_spread = np.inf
    warned = False
    for index, error in enumerate(errors):
        seen, wrong = seen + 1, wrong + int(error)
        rate = wrong / seen
        spread = (rate * (1 - rate) / seen) ** 0.5
        if seen < fewest:
            continue
        if rate + spread <= best_rate + best_spread:
            best_rate, best_spread = rate, spread
        if rate + spread > best_rate + alarm * best_spread:
            yield Change(index, "alarm", rate)
            seen = wrong = 0
            best_rate = best_spread = np.inf
            warned = False
        elif not warned and rate + spread > best_rate + warning * best_spread:
            warned = True
            yield Change(index, "warning", rate)


def error_stream(traffic: Traffic, validation: pd.DataFrame, *, target: Target) -> pd.DataFrame:
    """Run `ddm` over the errors of all labelled rows in time order.

    An error is a wrong class; for regression an absolute residual above its median in the reference.

    Returns
    -------
    DataFrame
        kind (warning, alarm), row (`_row`), window, position (in the stream, from 1), error_rate
    """
    known = np.flatnonzero(traffic.known)
    decided = pd.to_numeric(traffic.log["prediction"].iloc[known]).to_numpy(dtype=float)
    if target.is_classification:
        errors = traffic.labels[known] != decided
    else:
        usual = float(np.median(np.abs(validation[TARGET] - validation["prediction"])))
        errors = np.abs(traffic.labels[known] - decided) > usual
    changes = ddm(errors.astype(int))
    places = known[[change.index for change in changes]] if changes else known[:0]
    return pd.DataFrame(
        {
            "kind": [change.kind for change in changes],
            "row": traffic.log[ROW].iloc[places].to_numpy(),
            "window": [traffic.windows.labels[position] for position in traffic.windows.position[places]],
            "position": [change.index + 1 for change in changes],
            "error_rate": [change.rate for change in changes],
        }
    )
