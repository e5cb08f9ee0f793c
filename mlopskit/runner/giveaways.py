"""What a file gives away when it is passed on: secrets, and paths that are there on one machine only.

Secrets are told by the forms that their issuers gave them (``AKIA…``, ``ghp_…``, a private key's first line), by a
password in a URL, and by a literal that is assigned to a name such as ``password``. That finds what is commonly left
behind, and proves nothing. A value that was found is never repeated. A line that ends in ``# pragma: allowlist secret``
(as for other tools) is left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

ALLOWED = "pragma: allowlist secret"

_FORMS: dict[str, re.Pattern[str]] = {
    kind: re.compile(pattern)
    for kind, pattern in {
        "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})",
        "a GitLab token": r"\bglpat-[\w-]{20,}",
        "a Slack token": r"\bxox[abeoprs]-[\w-]{10,}",
        "a Google API key": r"\bAIza[\w-]{35}",
        "an API key": r"\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,}",
        "a Stripe key": r"\b[rs]k_live_[A-Za-z0-9]{16,}",
        "a PyPI token": r"\bpypi-[\w-]{50,}",
        "an npm token": r"\bnpm_[A-Za-z0-9]{36}",
        "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
        "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
        "a JSON web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
        "a password in a URL": r"\b[a-z][a-z0-9+.-]*://[^\s:/@'\"]+:(?!\{|\$|<|\*+@|password@)[^\s@/'\"]+@",
    }.items()
}
_SECRET_NAME = re.compile(r"(?i)(?:^|_|-)(password|passwd|passphrase|pwd|secret)$")
_KEY_NAME = re.compile(r"(?i)(?:^|_|-)(token|api_?key|access_?key|secret_?key|private_?key|auth_?key|credentials?)$")
_NO_SECRET = re.compile(r"(?i)env:|file:|<|\{|\$|\*+$|x+$|\.+$|…|your|example|changeme|placeholder|dummy|secret$|none$")
_ROOTS = r"/(?:home|Users|root|mnt|media|tmp|private|var/folders|Volumes|opt|srv|scratch|workspace|content|kaggle|dbfs)"
_PATHS = re.compile(
    rf"(?:^|(?<=[\s'\"=:(,]))(?:file://)?/*({_ROOTS}/[^\s'\"]+|[A-Za-z]:[\\/](?!/)[^\s'\"]+|~/[^\s'\"]+)"
)
_UNC = re.compile(r"^\\\\[\w.-]+\\[\w$.-]+")


def secrets_in(text: str) -> list[tuple[int, str]]:
    """Return what in a text has the form of a secret: line, counted from 1, and its kind; never the value.

    Examples
    --------
    >>> secrets_in("key = 'AKIA" + "A" * 16 + "'")
    [(1, 'an AWS access key')]
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if ALLOWED not in line:
            found += [(number, kind) for kind, form in _FORMS.items() if form.search(line)]
    return found


def secrets_in_code(source: str) -> list[tuple[int, str]]:
    """Return what `secrets_in` finds, and literals that are given to a name such as ``password`` or ``api_key``."""
    found = secrets_in(source)
    lines = source.splitlines()
    told = {number for number, _ in found}
    for name, number, value in _named_literals(source):
        line = lines[number - 1] if number <= len(lines) else ""
        if number not in told and ALLOWED not in line and _is_secret(name, value):
            told.add(number)
            found.append((number, f"a literal given to `{name}`"))
    return sorted(found)


def secrets_in_table(table: Any) -> Iterator[str]:
    """Yield the keys of plain data (of a TOML file, say) that hold a literal which looks like a secret."""
    items = table.items() if isinstance(table, dict) else [("", item) for item in table]
    for key, value in items:
        if isinstance(value, dict | list):
            yield from secrets_in_table(value)
        elif isinstance(value, str) and _is_secret(str(key), value):
            yield str(key)


def paths_in(text: str) -> list[str]:
    r"""Return the absolute paths in the text of a literal that only one machine has.

    Examples
    --------
    >>> paths_in("/home/ada/rows.csv"), paths_in("data/rows.csv"), paths_in("/predict"), paths_in("C:\\rows.csv")
    (['/home/ada/rows.csv'], [], [], ['C:\\rows.csv'])
    """
    if _UNC.match(text):
        return [text]
    return [found[1] for found in _PATHS.finditer(text)]


def paths_in_code(source: str) -> list[tuple[int, str]]:
    """Return the absolute paths in the literals of a cell, with their lines; also in lines that only IPython takes."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        lines = enumerate(source.splitlines(), start=1)
        return [(number, path) for number, line in lines for path in paths_in(line)]
    literals = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return sorted({(node.lineno, path) for node in literals for path in paths_in(str(node.value))})


def _is_secret(name: str, value: str) -> bool:
    if _NO_SECRET.match(value) or re.search(r"\s", value) or value.lower() == name.lower():
        return False
    if _SECRET_NAME.search(name):
        return len(value) >= 6
    mixed = re.search(r"\d", value) is not None and re.search(r"[A-Za-z]", value) is not None
    return bool(_KEY_NAME.search(name)) and len(value) >= 8 and mixed


def _named_literals(source: str) -> Iterator[tuple[str, int, str]]:
    """Yield the name, key or keyword that a text literal is given to, its line, and the text."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return
    for node in nodes:
        for name, value in _given(node):
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield name, value.lineno, value.value


def _given(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(node, ast.Assign):
        yield from ((_target(target), node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign):
        yield _target(node.target), node.value
    elif isinstance(node, ast.keyword):
        yield node.arg or "", node.value
    elif isinstance(node, ast.Dict):
        yield from ((_target(key), value) for key, value in zip(node.keys, node.values, strict=True))


def _target(node: ast.expr | None) -> str:
    """Return the last name of a target: ``a.password``, ``settings["password"]`` and ``password`` alike."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return _target(node.slice)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
