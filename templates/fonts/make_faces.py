"""Make the two faces beside this file from Adobe's Source families: `make fonts`.

The families are taken from their npm packages, at the versions named below. What is kept of each is what pages of
ours need: Latin letters, figures, and the signs that the pages use. "Source" is a reserved font name, which a changed
font may not bear, so the faces carry names of their own.
"""

# /// script
# requires-python = ">=3.11"
# dependencies = ["brotli==1.2.*", "fonttools==4.*"]
# ///

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fontTools.subset import Options, Subsetter, parse_unicodes
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

HERE = Path(__file__).parent
WESTERN = "20-7E,A0-FF,131,152,153,160,161,178,17D,17E"
LATIN = "20-7E,A0-17F,218-21B,1E9E"
SIGNS = "2010-2015,2018-201E,2020-2022,2026,2030,2032,2033,2039,203A,2044,20AC,2122,2212,2215,221E,2248,2260,2264,2265"
MARKS = "2190-2193,25A0,25B2,25B3,25B6,25B8,25BC,25CA,25CF,2713,2717"


@dataclass(frozen=True)
class Face:
    """One face: where it is from, what it is called here, which part of it stays."""

    package: str
    member: str
    name: str
    axes: dict[str, tuple[float, float] | float]
    unicodes: str
    features: tuple[str, ...]

    @property
    def file(self) -> Path:
        """Where it is written."""
        return HERE / f"{self.name.lower().replace(' ', '-')}.woff2"


FACES = (
    Face(
        "source-sans@3.52.0", "package/WOFF2/VF/SourceSans3VF-Upright.ttf.woff2", "Mlopskit Sans",
        {"wght": (400, 700)}, f"{LATIN},{SIGNS},{MARKS}", ("ccmp", "kern", "liga", "locl", "mark", "pnum"),
    ),
    Face(
        "source-serif@4.5.1", "package/WOFF2/VAR/SourceSerif4Variable-Roman.ttf.woff2", "Mlopskit Serif",
        {"wght": 500, "opsz": 32}, f"{WESTERN},{SIGNS}", ("kern", "liga", "lnum", "tnum"),
    ),
)  # fmt: skip


def fetched(package: str, member: str) -> bytes:
    """Return one file of an npm package, whose checksum npm has verified."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", "--silent", package],  # noqa: S607 (whichever npm is installed)
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        with tarfile.open(Path(folder) / packed.stdout.split()[-1]) as archive:
            file = archive.extractfile(member)
            if file is None:
                raise FileNotFoundError(f"{package} holds no file {member}")
            return file.read()


def cut(source: bytes, face: Face) -> TTFont:
    """Return the part of a font that a face keeps, under its own name."""
    font = TTFont(io.BytesIO(source), recalcTimestamp=False)
    options = Options(layout_features=list(face.features), hinting=False, name_IDs=[0, 7, 13, 14], notdef_outline=True)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=parse_unicodes(face.unicodes))
    subsetter.subset(font)
    font = instantiateVariableFont(font, face.axes)
    joined = face.name.replace(" ", "")
    spelled = {1: face.name, 2: "Regular", 3: f"{face.name} from {face.package}", 4: face.name, 6: joined}
    for identifier, text in spelled.items():
        font["name"].setName(text, identifier, 3, 1, 0x409)
    return font


def main() -> None:
    """Write both faces."""
    for face in FACES:
        font = cut(fetched(face.package, face.member), face)
        font.flavor = "woff2"
        font.save(face.file)
        print(f"{face.file.name}: {face.file.stat().st_size:,} bytes, {len(font.getBestCmap())} characters")  # noqa: T201


if __name__ == "__main__":
    main()
