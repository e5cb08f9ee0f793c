"""`make screenshots`: run the income example, take every picture anew, and write references and docs/."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pixels
import scenes
import studio

HERE = Path(__file__).parent
REPO = HERE.parents[1]
LARGEST = 250_000


def main() -> None:
    """Write what is kept in the repository; a run given as argument is taken instead of a new one."""
    with tempfile.TemporaryDirectory(prefix="screenshots-") as name:
        folder = Path(name)
        run = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else income(folder)
        for path in (HERE / "references").glob("*.png"):
            path.unlink()
        with studio.studio(run, folder) as made:
            for scene in scenes.README:  # before anything in a page is overwritten
                keep(studio.take(made, scene, frozen=False), REPO / "docs" / f"{scene.name}.png")
            for scene in scenes.SCENES:
                keep(studio.take(made, scene), HERE / "references" / f"{scene.name}.png")


def income(folder: Path) -> Path:
    """Run the income example in a project of its own."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MLOPSKIT")}
    project = folder / "example" / "income"
    mlopskit = [sys.executable, "-m", "mlopskit"]
    subprocess.run([*mlopskit, "new", str(project), "--example", "income"], check=True, env=clean)
    done = subprocess.run([*mlopskit, "run", "--project", str(project)], env=clean, check=False)
    assert done.returncode in {0, 3, 4}, "the run did not end well"
    return project / "runs" / (project / "runs" / "latest").read_text(encoding="utf-8").strip()


def keep(shot: bytes, path: Path) -> None:
    """Write a picture and say how large it is."""
    pixels.save(shot, path)
    size = path.stat().st_size
    assert size <= LARGEST, f"{path} has {size:,} bytes, more than {LARGEST:,}"
    print(f"{path.relative_to(REPO)}  {size / 1000:.0f} kB")  # noqa: T201


main()
