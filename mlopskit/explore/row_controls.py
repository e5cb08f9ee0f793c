"""The controls of a row's inputs: one of the form that the input schema gives, each named by its column."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from mlopskit.deploy.schema import Field
from mlopskit.explore.row_values import written

_MISSING = ("missing", "")


def control_of(field: Field) -> Any:
    """Return a control for an input: categories to choose from, else a field to type in; an image is only told of."""
    options: dict[str, Any] = {
        "description": field.name, "style": {"description_width": "10em"},
        "layout": widgets.Layout(width="26em", max_width="100%"),
    }  # fmt: skip
    if field.kind == "image":
        return widgets.Text(disabled=True, **options)
    if field.kind == "text":
        return widgets.Textarea(continuous_update=False, rows=3, **options)
    if field.kind in {"categorical", "boolean"} and field.categories:
        return widgets.Dropdown(options=[*((name, name) for name in field.categories), _MISSING], **options)
    if field.kind == "boolean":
        return widgets.Dropdown(options=[("yes", "yes"), ("no", "no"), _MISSING], **options)
    return widgets.Text(continuous_update=False, placeholder="missing", **options)


def fill(control: Any, value: Any) -> None:
    """Show a value in a control; a category that training never saw is added to those to choose from."""
    text = "" if value is None else written(value)
    if isinstance(control, widgets.Dropdown) and text not in [each for _, each in control.options]:
        control.options = [*control.options, (text, text)]
    control.value = text
