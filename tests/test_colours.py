"""Colours that mean something are told apart by colour-blind readers as well, in the light page and in the dark one."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mlopskit.display import PALETTE

CSS = Path(__file__).parents[1] / "templates" / "report" / "report.css"
SEEN = {
    "in full": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
"""Severity 1.0 of Machado, Oliveira and Fernandes (2009), A physiologically-based model for simulation of color vision
deficiency, IEEE TVCG 15(6); on linear RGB."""


def linear(colour: str) -> npt.NDArray[np.float64]:
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(rgb: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """CIELAB under D65 of linear sRGB."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = to_xyz @ rgb.clip(0, 1) / np.array([0.95047, 1.0, 1.08883])
    fx, fy, fz = (v ** (1 / 3) if v > (6 / 29) ** 3 else v / (3 * (6 / 29) ** 2) + 4 / 29 for v in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


def distance(a: str, b: str, kind: str) -> float:
    return float(np.linalg.norm(lab(SEEN[kind] @ linear(a)) - lab(SEEN[kind] @ linear(b))))


def series() -> dict[str, list[str]]:
    found = re.findall(r"--series-(\d): (#[0-9a-f]{6})", CSS.read_text(encoding="utf-8"))
    return {"light": [colour for _, colour in found[:6]], "dark": [colour for _, colour in found[6:12]]}


@pytest.mark.parametrize("kind", SEEN)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_series_stay_apart_however_they_are_seen(theme: str, kind: str) -> None:
    colours = series()[theme]
    assert len(colours) == len(PALETTE)
    nearest = min(distance(a, b, kind) for a, b in combinations(colours, 2))
    assert nearest > 15  # 2.3 is just noticeable


def test_the_light_page_has_the_colours_of_the_charts() -> None:
    assert tuple(series()["light"]) == PALETTE


def test_the_measure_knows_what_a_deuteranope_cannot_tell_apart() -> None:
    brown, olive = "#8c3c28", "#555014"
    assert distance(brown, olive, "in full") > 35
    assert distance(brown, olive, "deuteranopia") < 6
