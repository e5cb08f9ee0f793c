"""The application: its commands and the options that stand before them."""

from __future__ import annotations

from typing import Annotated

import typer

from mlopskit import __version__
from mlopskit.cli import card, compare, history, parameters, project, run, shelf, site, verify

app = typer.Typer(
    name="mlopskit",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Take a machine-learning project from a question to a model that is watched in production.",
    epilog="Start with: mlopskit new my-project && cd my-project && mlopskit run",
)

runs = typer.Typer(invoke_without_command=True)
runs.callback()(history.runs)

app.command("new")(project.new)
app.command("run")(run.run)
app.command("params")(parameters.params)
app.command("lab")(project.lab)
app.add_typer(runs, name="runs")
app.command("show")(history.show)
app.command("report")(history.report)
app.command("card")(card.card)
app.command("verify")(verify.verify)
app.command("diff")(compare.diff)
app.command("site")(site.site)
for group in (app, runs):
    group.command("tag")(shelf.tag)
    group.command("pin")(shelf.pin)
    group.command("unpin")(shelf.unpin)
    group.command("prune")(shelf.prune)
app.command("check")(project.check)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mlopskit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Nothing to do: `--version` acts by itself."""
