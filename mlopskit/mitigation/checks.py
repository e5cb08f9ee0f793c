"""What is wrong with the mitigation that a project file chooses, told before anything runs or is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlopskit.errors import listing, nearest

if TYPE_CHECKING:
    from mlopskit.runs.frozen import FrozenScope
    from mlopskit.scope import Scope


def mitigation_problems(scope: Scope | FrozenScope) -> list[str]:
    """Return what is wrong with ``[model] mitigation`` and ``mitigate``, from the project file alone."""
    model, data = scope.model, scope.data
    chosen = model.mitigation not in (None, "none")
    if model.mitigate is None and not chosen:
        return []
    found = []
    if model.mitigate not in data.sensitive:
        found.append(
            f"[model] mitigate = {model.mitigate!r} is none of the sensitive columns"
            f"{nearest(str(model.mitigate), data.sensitive)}; [data] sensitive holds {listing(data.sensitive)}."
        )
    if data.task != "binary" and chosen:
        found.append(
            f'[model] mitigation = "{model.mitigation}" needs a binary task, since gaps are compared by who is called '
            f"positive; this task is {data.task}. Take the setting out."
        )
    return found
