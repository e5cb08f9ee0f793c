"""The papermill engine, as an entry point that costs nothing until it is used.

papermill loads every ``papermill.engine`` entry point while it is itself being imported, so this module must import
neither papermill nor anything heavy; the work is in `mlopskit.runner.client`.
"""

from __future__ import annotations

from typing import Any


class Engine:
    """Runs a notebook in a kernel of the Python that papermill itself runs in, and tells the truth about it.

    Use it from plain papermill with ``papermill --engine mlopskit in.ipynb out.ipynb``. No kernelspec needs to be
    installed, unknown parameters are refused, and a kernel that died leaves its cells marked as what they are.
    """

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:  # noqa: ARG003  papermill's form
        """Execute `nb` in place and return it; called by papermill."""
        from mlopskit.runner import client

        return client.execute(nb, **options)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:  # noqa: ARG003  papermill's form
        """Return the kernel's name: always this Python, whatever the notebook's metadata say."""
        return "python3"

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:  # noqa: ARG003  papermill's form
        """Return the language that parameters are written in."""
        return "python"
