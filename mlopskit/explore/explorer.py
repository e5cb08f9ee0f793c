"""What every explorer is: a state that a person changes, widgets that show it, and a picture of it.

With a kernel the widgets answer. Where there is none (a saved notebook on a web page, a mail, another viewer) the same
output carries the state at the time it was shown as plain HTML, and as text. That picture may be passed on, so it never
holds single rows.
"""

from __future__ import annotations

from typing import Any

import traitlets

from mlopskit.explore.drawing import static


class Explorer(traitlets.HasTraits):
    """A state that shows itself as widgets and as a picture.

    Attributes
    ----------
    widget : ipywidgets.Widget
        What is shown; also for a layout of one's own.
    """

    widget: Any = None

    def picture(self) -> list[str]:
        """Return the state as pieces of HTML, without a kernel and without rows."""
        raise NotImplementedError

    def words(self) -> str:
        """Return the state as text."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.words()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(self.widget._repr_mimebundle_())
        return bundle | {"text/plain": self.words(), "text/html": static(*self.picture())}
