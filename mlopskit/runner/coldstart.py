"""The program of a cold kernel that gets secrets: it takes them from a file, removes that, and becomes the kernel.

Run as ``python -m mlopskit.runner.coldstart FILE ARGUMENT…``, it ends as ``python -m ipykernel_launcher ARGUMENT…``.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path


def main() -> None:
    """Read the secrets, remove their file, and start the kernel."""
    letter = Path(sys.argv.pop(1))
    secrets = json.loads(letter.read_text(encoding="utf-8"))
    letter.unlink()
    from mlopskit.secrets import hand_over

    hand_over(secrets)
    del secrets
    runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
