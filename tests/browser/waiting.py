"""How long tests wait for a page: as long as a busy machine needs, and no longer than it must."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 180
"""Seconds; what takes longer than that never comes."""


def until(page: Any, true: Callable[[], object]) -> None:
    """Ask until something holds; playwright's own waiting needs `eval`, which the policy of our pages forbids."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"it did not come about in {PATIENCE} s"
        page.wait_for_timeout(20)
