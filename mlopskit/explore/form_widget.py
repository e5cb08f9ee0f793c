"""*New run with these parameters*: the form made from the parameters cells, as widgets."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ipywidgets as widgets
import pandas as pd
import traitlets

from mlopskit.errors import ParameterError, listing, nearest
from mlopskit.explore.drawing import page_table
from mlopskit.explore.explorer import Explorer, column
from mlopskit.explore.form import Field, Form
from mlopskit.explore.run_pieces import box
from mlopskit.explore.run_widget import RunPanel

_STYLE = {"description_width": "13em"}
_WIDTH = "32em"
_MARKED = "4px solid var(--jp-brand-color1,#1976d2)"
_PLAIN = "4px solid transparent"


def new_run(panel: RunPanel) -> NewRun:
    """Fill in parameters and start a run with them, which `panel` then shows.

    Parameters
    ----------
    panel : RunPanel
        As from `mlopskit.explore.runner`; the phases chosen there hold here too.
    """
    return NewRun(Form.of(panel.runner.project), panel)


class NewRun(Explorer):
    """One field a parameter, phase by phase; what was changed is marked, what is wrong is said at once.

    Parameters
    ----------
    form : Form
        The fields.
    panel : RunPanel
        What starts the run and shows it.

    Attributes
    ----------
    phase : str
        Whose fields are shown.
    """

    phase = traitlets.Unicode()

    def __init__(self, form: Form, panel: RunPanel) -> None:
        self.form, self.panel = form, panel
        super().__init__(phase=next(iter(form.phases), ""))
        self._rows: dict[str, tuple[Any, widgets.HTML, widgets.HBox]] = {}
        self._refilling = False
        self._make_widgets()
        self._show_phase()
        self.observe(self._show_phase, names="phase")
        panel.observe(lambda _: self._show_status(), names=list(panel.trait_names(choice=True)))

    @traitlets.validate("phase")
    def _known_phase(self, proposal: Any) -> str:
        name = str(proposal["value"])
        if name and name not in self.form.phases:
            known = self.form.phases
            raise ParameterError(f"Phase {name!r} has no parameters{nearest(name, known)}; {listing(known)} have.")
        return name

    def _make_widgets(self) -> None:
        self._phase = widgets.Dropdown(options=self.form.phases, description="Parameters of", style=_STYLE)
        if self.form.phases:
            widgets.link((self._phase, "value"), (self, "phase"))
        self._fields, self._status = widgets.VBox(), widgets.HTML()
        wide = widgets.Layout(width="auto")
        self._start = widgets.Button(description="New run with these parameters", button_style="primary", layout=wide)
        self._reset = widgets.Button(description="Undo all changes", layout=wide)
        self._start.on_click(lambda _: self.start())
        self._reset.on_click(lambda _: self.reset())
        buttons = widgets.HBox([self._start, self._reset])
        self.widget = column(self._phase, self._fields, self._status, buttons)

    def enter(self, name: str, value: Any) -> None:
        """Enter a value, as typing it into its field does.

        Raises
        ------
        ParameterError
            When there is no parameter ``phase.name`` of that name.
        """
        problems = self.form.enter(name, value)
        if name in self._rows:
            self._refill(name)
            self._mark(name, problems)
        self._show_status()

    def start(self) -> None:
        """Start a run with what was changed, unless something is wrong."""
        began = not self.form.problems() and self.panel.start(*self.form.arguments())
        self._show_status("The run shows itself above." if began else "It was not started; why stands above.")

    def reset(self) -> None:
        """Go back to the values of notebooks and project file."""
        self.form.clear()
        self._show_phase()

    def _show_phase(self, _: Any = None) -> None:
        self._rows = {field.name: self._row(field) for field in self.form.fields if field.phase == self.phase}
        self._fields.children = [row for _, _, row in self._rows.values()]
        for name in self._rows:
            self._mark(name, self.form.field(name).read(self.form.entry(name))[1])
        self._show_status()

    def _row(self, field: Field) -> tuple[Any, widgets.HTML, widgets.HBox]:
        control = _CONTROLS[field.kind](field, self.form.entry(field.name))
        control.observe(lambda change, name=field.name: self._typed(name, change["new"]), names="value")
        words = widgets.HTML(layout=widgets.Layout(margin="0 0 0 .8em", flex="1 1 18em"))
        layout = widgets.Layout(flex_flow="row wrap", padding="0 0 0 .4em")
        return control, words, widgets.HBox([control, words], layout=layout)

    def _typed(self, name: str, value: Any) -> None:
        if not self._refilling:
            self.enter(name, value)

    def _refill(self, name: str) -> None:
        """Let the field show what is kept: a secret that is no reference is taken out of it at once."""
        control = self._rows[name][0]
        self._refilling = True
        try:
            control.value = self.form.entry(name)
        finally:
            self._refilling = False

    def _mark(self, name: str, problems: list[str]) -> None:
        field = self.form.field(name)
        _, words, row = self._rows[name]
        changed = name in self.form.changed()
        said = [field.parameter.help, f"allowed: {field.parameter.limits}" if field.parameter.limits else ""]
        text = html.escape("; ".join(part for part in said if part))
        if changed:
            text += f" <strong>changed from {html.escape(field.typed(field.base))}</strong>"
        if problems:
            text += "".join(f"<br><strong>✗ {html.escape(problem)}</strong>" for problem in problems)
        words.value = f'<div style="line-height:1.4;padding:.3em 0">{text}</div>'
        row.layout.border_left = _MARKED if changed or problems else _PLAIN

    def _show_status(self, told: str = "") -> None:
        problems = self.form.problems()
        self._start.disabled = bool(problems)
        command = replace(self.panel.request, parameters=tuple(self.form.arguments())).command()
        lines = [*self.form.standing, *problems, *([] if problems else [f"Runs {command}", told])]
        self._status.value = box(lines, tone="bad" if problems or self.form.standing else "plain", live=True)

    def picture(self) -> list[str]:
        """Return the parameters of all phases with their values as HTML."""
        lines = [*self.form.standing, *self.form.problems()]
        return [box(lines, tone="bad"), page_table(self.table, caption="Parameters of the next run", rows=100)]

    def words(self) -> str:
        """Return the parameters of all phases with their values as text."""
        return "\n".join([*self.form.standing, *self.form.problems(), self.table.to_string(index=False)])

    @property
    def table(self) -> pd.DataFrame:
        """Every parameter with its value, whether that was changed, what is allowed, and its help."""
        changed = self.form.changed()
        columns = ["parameter", "value", "changed", "allowed", "help"]
        rows = [
            (field.name, field.typed(changed.get(field.name, field.base)), "yes" if field.name in changed else "",
             field.parameter.limits, field.parameter.help)
            for field in self.form.fields
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)


def _checkbox(field: Field, value: Any) -> Any:
    box_layout = widgets.Layout(width=_WIDTH, max_width="100%")
    return widgets.Checkbox(value=value, description=field.parameter.name, style=_STYLE, layout=box_layout)


def _choice(field: Field, value: Any) -> Any:
    options = [field.typed(choice) for choice in field.parameter.choices]
    options += [field.typed(None)] if field.parameter.optional else []
    return widgets.Dropdown(options=options, value=value, **_common(field))


def _number(field: Field, value: Any) -> Any:
    """A field without limits of its own: it would change what was typed, where the checks say what is wrong."""
    if field.parameter.type == "int":
        return widgets.IntText(value=value, **_common(field))
    return widgets.FloatText(value=value, step=None, **_common(field))


def _text(field: Field, value: Any) -> Any:
    hint = "env:NAME or file:PATH" if field.parameter.type == "secret" else field.parameter.type
    # taken when it is whole: half a reference is none
    return widgets.Text(value=value, placeholder=hint, continuous_update=False, **_common(field))


def _common(field: Field) -> dict[str, Any]:
    layout = widgets.Layout(width=_WIDTH, max_width="100%")
    return {"description": field.parameter.name, "style": _STYLE, "layout": layout}


_CONTROLS: dict[str, Callable[[Field, Any], Any]] = {
    "checkbox": _checkbox,
    "choice": _choice,
    "number": _number,
    "text": _text,
}
