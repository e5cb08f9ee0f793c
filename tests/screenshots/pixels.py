"""Pictures as files of few colours; two of them compared, with some room for how a machine draws its letters."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageFilter

COLOURS = 128
BLUR = 2
"""Pixels around each that are averaged first: the edge of a letter is not drawn alike on every machine."""
THRESHOLD = 28
"""How far, of 255, a colour has to be off before a pixel counts as another one; fewer colours alone stay far below."""
TOLERANCE = 0.01
"""Share of pixels that may differ: about what one line of text covers."""


def save(shot: bytes, path: Path) -> None:
    """Keep a screenshot with few colours, the commonest of those that each of them stands for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    few = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette = few.getpalette() or []
    places, colours = np.asarray(few).astype(np.uint32), np.asarray(picture).astype(np.uint32)
    # One number for each pixel, since counting the rows of an array takes seconds.
    packed = places << 24 | colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]
    kinds, times = np.unique(packed, return_counts=True)
    for kind in kinds[np.argsort(times, kind="stable")].tolist():  # the commonest last, so it stays
        place = kind >> 24
        palette[3 * place : 3 * place + 3] = kind.to_bytes(4, "big")[1:]
    few.putpalette(palette)
    few.save(path, optimize=True)


def difference(reference: Path, new: Path) -> str:
    """Say in words how two pictures differ; nothing where they are alike."""
    before, after = (Image.open(path).convert("RGB") for path in (reference, new))
    if before.size != after.size:
        return "it is {} by {} pixels, the reference {} by {}".format(*after.size, *before.size)
    share, place = differing(before, after)
    if share <= TOLERANCE:
        return ""
    left, top, right, bottom = place
    where = f"between x {left} and {right}, y {top} and {bottom}"
    return f"{share:.1%} of its pixels differ from the reference ({TOLERANCE:.1%} may), {where}"


def differing(before: Image.Image, after: Image.Image) -> tuple[float, tuple[int, int, int, int]]:
    """Share of the pixels that differ, and the box around them."""
    soft = [picture.filter(ImageFilter.BoxBlur(BLUR)) for picture in (before, after)]
    bands = ImageChops.difference(*soft).split()
    most = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
    marked = most.point([255 * (value > THRESHOLD) for value in range(256)])
    return marked.histogram()[255] / (marked.width * marked.height), marked.getbbox() or (0, 0, 0, 0)
