"""What the command line asks both wings before any kernel starts.

The runner knows nothing of data, metrics or thresholds, and the phases know nothing of the runner; here both are
asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlopskit.errors import ProjectError
from mlopskit.scope import PROJECT_FILE, Scope

if TYPE_CHECKING:
    from pathlib import Path

    from mlopskit.runner import Plan


def refuse_bad_input(plan: Plan) -> list[str]:
    """Refuse what cannot end in a run: metrics and thresholds that do not exist, data that cannot answer the question.

    Returns
    -------
    list of str
        What is worth knowing about the data and stops nothing.

    Raises
    ------
    ProjectError
        All problems at once.
    """
    problems = scope_problems(plan.scope, plan.project)
    remarks: list[str] = []
    if "data" in plan.chosen:
        fatal, remarks = data_problems(plan.project, plan.scope)
        problems += fatal
    if problems:
        raise ProjectError.from_problems(plan.project / PROJECT_FILE, problems)
    return remarks


def scope_problems(scope: Scope, project: Path) -> list[str]:
    """Return what is wrong with candidates, criteria and thresholds, from their names alone."""
    from mlopskit.metrics.checks import criterion_problems
    from mlopskit.metrics.monitored import threshold_problems
    from mlopskit.mitigation.checks import mitigation_problems
    from mlopskit.model.candidates import candidate_problems

    named = [*candidate_problems(scope, project), *mitigation_problems(scope)]
    return [*named, *criterion_problems(scope), *threshold_problems(scope)]


def data_problems(project: Path, scope: Scope) -> tuple[list[str], list[str]]:
    """Return what makes a run on these data pointless, and what is merely worth knowing."""
    from mlopskit.data import preflight

    found = preflight(project, scope)
    fatal = [problem.message for problem in found if problem.fatal]
    return fatal, [problem.message for problem in found if not problem.fatal]
