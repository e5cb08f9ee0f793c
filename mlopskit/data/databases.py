"""Tables from a database, by an SQLAlchemy URL and a query.

A URL that needs a password is given as ``env:NAME``: the project file is frozen into every run and shared, so a
password in it would be too. What is recorded of a URL has neither password nor options.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from mlopskit.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

    from mlopskit.scope import Data


def connect(data: Data, project: Path) -> sqlalchemy.Engine:
    """Return an engine for ``data.source``; nothing is opened yet.

    Parameters
    ----------
    data : Data
        ``source`` is an SQLAlchemy URL or ``env:NAME``, the environment variable that holds one.
    project : Path
        What the path of an SQLite file is relative to.

    Raises
    ------
    DataError
        When there is no query, the variable is not set, the URL is none, holds a password in the open, or names an
        SQLite file that does not exist (SQLite would make an empty one).
    MissingExtraError
        When the database's driver is not installed.
    """
    if not data.query:
        raise DataError(
            "A database source needs `query`, the SELECT whose rows are read; add it to [data] in mlops.toml."
        )
    url = _url(data.source)
    if url.get_backend_name() == "sqlite":
        url = _existing_sqlite(url, project)
    try:
        return sqlalchemy.create_engine(url)
    except (NoSuchModuleError, ImportError) as error:
        raise MissingExtraError.from_extra(f"A {url.get_backend_name()} source", "postgresql") from error


def _url(source: str) -> sqlalchemy.URL:
    text = source
    if source.startswith("env:"):
        name = source.removeprefix("env:")
        if not os.environ.get(name):
            raise DataError(
                f"source = {source!r}: the environment variable {name} is not set. Set it to the database's URL."
            )
        text = os.environ[name]
    try:
        url = make_url(text)
    except ArgumentError:
        raise DataError(
            "The database URL cannot be read; it should look like postgresql+psycopg://host/database or sqlite:///file.db."
        ) from None
    if url.password and text is source:
        raise DataError(
            "The source holds a password in the open, and mlops.toml is copied into every run. Put the URL into an "
            'environment variable and write source = "env:NAME".'
        )
    return url


def _existing_sqlite(url: sqlalchemy.URL, project: Path) -> sqlalchemy.URL:
    if not url.database or url.database == ":memory:":
        raise DataError("An SQLite source needs a file: sqlite:///folder/file.db, relative to the project.")
    path = (project / url.database).resolve()
    if not path.is_file():
        raise DataError(f"The SQLite file {url.database} does not exist; it is looked for at {path}. Correct the path.")
    return url.set(database=str(path))


def safe_url(engine: sqlalchemy.Engine) -> str:
    """Return the URL as it may be written down: no password, no options, an SQLite file by its name alone."""
    url = engine.url.set(query={}, password=None)
    if url.get_backend_name() == "sqlite" and url.database:
        url = url.set(database=Path(url.database).name)
    return url.render_as_string(hide_password=True)


def fetch(engine: sqlalchemy.Engine, data: Data) -> pd.DataFrame:
    """Run the query and return all of its rows.

    Raises
    ------
    DataError
        When the database refuses the connection or the query, in its own words without the URL.
    """
    import pandas as pd

    try:
        with engine.connect() as connection:
            result = connection.execute(sqlalchemy.text(str(data.query)))
            names = [str(name) for name in result.keys()]  # noqa: SIM118 - a result is no mapping
            return pd.DataFrame([tuple(row) for row in result], columns=names)
    except SQLAlchemyError as error:
        raise DataError(_refusal(error)) from None
    finally:
        engine.dispose()


def column_names(engine: sqlalchemy.Engine, data: Data) -> list[str]:
    """Return the names of the columns that the query gives, without reading its rows.

    Raises
    ------
    DataError
        As `fetch`.
    """
    try:
        with engine.connect() as connection, connection.execute(sqlalchemy.text(str(data.query))) as result:
            return [str(name) for name in result.keys()]  # noqa: SIM118 - a result is no mapping
    except SQLAlchemyError as error:
        raise DataError(_refusal(error)) from None
    finally:
        engine.dispose()


def _refusal(error: SQLAlchemyError) -> str:
    said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return f"The database did not answer the query: {said}. Check `source` and `query` in mlops.toml."
