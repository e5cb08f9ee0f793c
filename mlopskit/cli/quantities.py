"""Ages, sizes and moments, as people type them: ``30d``, ``5GB``, ``2026-01-01``."""

from __future__ import annotations

import datetime as dt
import re

from mlopskit.errors import UsageError

_AGES = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZES |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def age(text: str) -> dt.timedelta:
    """Read a length of time.

    Raises
    ------
    UsageError
        When it is none.

    Examples
    --------
    >>> age("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    number, unit = _split(text)
    if number is None or unit not in _AGES:
        raise UsageError(f"{text!r} is no length of time; write 90m, 12h, 30d or 4w (minutes, hours, days, weeks).")
    try:
        return dt.timedelta(seconds=number * _AGES[unit])
    except OverflowError:
        raise UsageError(f"{text!r} is too long a time.") from None


def size(text: str) -> int:
    """Read a size in bytes.

    Raises
    ------
    UsageError
        When it is none.

    Examples
    --------
    >>> size("1.5 GB"), size("2MiB")
    (1500000000, 2097152)
    """
    number, unit = _split(text)
    known = {name.lower(): value for name, value in _SIZES.items()}
    if number is None or unit.lower() not in known:
        raise UsageError(f"{text!r} is no size; write a number with one of {', '.join(_SIZES)}, such as 5GB.")
    return int(number * known[unit.lower()])


def size_text(count: int) -> str:
    """Write a size.

    Examples
    --------
    >>> size_text(950), size_text(12_345_678)
    ('950 B', '12.3 MB')
    """
    name = next((name for name in ("TB", "GB", "MB", "kB") if count >= _SIZES[name]), "B")
    return f"{count} B" if name == "B" else f"{count / _SIZES[name]:.1f} {name}"


def moment(text: str, *, end: bool = False) -> dt.datetime:
    """Read a date or a date with a time, UTC unless it says otherwise.

    Parameters
    ----------
    text : str
        ``2026-01-01``, ``2026-01-01T12:00`` or an age such as ``7d``, which means so long ago.
    end : bool
        True when a date alone means the end of that day.

    Raises
    ------
    UsageError
        When it is none.

    Examples
    --------
    >>> moment("2026-01-01", end=True).isoformat()
    '2026-01-02T00:00:00+00:00'
    """
    if text[-1:] in _AGES:
        return dt.datetime.now(dt.UTC) - age(text)
    try:
        found = dt.datetime.fromisoformat(text)
        found = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
        only_date = re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text)
        return found + dt.timedelta(days=1) if end and only_date else found
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is no date; write 2026-01-31, 2026-01-31T12:00 (UTC), or an age such as 7d."
        ) from None


def _split(text: str) -> tuple[float | None, str]:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", text)
    return (float(found[1]), found[2]) if found else (None, "")
