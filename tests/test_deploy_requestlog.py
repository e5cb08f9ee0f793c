"""The request log."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlopskit.deploy.references import resolve_secret
from mlopskit.deploy.requestlog import RequestLog, logged_name
from mlopskit.errors import DeployError, MlopskitError
from mlopskit.share import share

RECORD = {"request_id": "r", "status": "ok", "row": 2**62, "time": "1974", "arm": "challenger", "scores": [0.5]}


def test_only_allowed_columns_are_kept_whatever_their_name(tmp_path: Path) -> None:
    log = RequestLog(f"sqlite:///{tmp_path / 'log.db'}", allowed=["id", "Age", "<i>'\"--"])
    log.append([{**RECORD, "inputs": {"id": 1, "Age": 2, "age": 3, "<i>'\"--": None}}])
    assert log.records()[0]["inputs"] == {"id": 1, "Age": 2, "<i>'\"--": None}
    assert log.kept_columns() == {"id", "Age", "<i>'\"--"}
    assert log.records()[0]["row"] == 2**62
    log.close()


def test_records_survive_and_can_be_read_while_written(tmp_path: Path) -> None:
    first = RequestLog(f"sqlite:///{tmp_path / 'log.db'}")
    first.append([RECORD])
    second = RequestLog(f"sqlite:///{tmp_path / 'log.db'}")
    first.append([{**RECORD, "request_id": "s"}])
    assert [record["request_id"] for record in second.records()] == ["r", "s"]
    first.close()
    second.close()
    connection = sqlite3.connect(tmp_path / "log.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_postgresql_is_used_by_its_url(postgresql: str) -> None:
    log = RequestLog(postgresql, allowed=["age"])
    log.append([{**RECORD, "inputs": {"age": 3, "name": "x"}}])
    assert [record["inputs"] for record in log.records()] == [{"age": 3}]
    assert log.records()[0]["row"] == RECORD["row"]
    log.close()


def test_several_that_open_one_new_log_all_find_it(tmp_path: Path, postgresql: str) -> None:
    """Two replicas of a server begin at the same moment; so do a server and whoever reads what it logs."""
    with ThreadPoolExecutor(4) as pool:
        for attempt in range(25):
            for log in list(pool.map(RequestLog, [f"sqlite:///{tmp_path / str(attempt)}.db"] * 4)):
                log.append([{"request_id": "a", "status": "ok"}])
                log.close()
            emptied = RequestLog(postgresql)
            with emptied.engine.begin() as connection:
                connection.exec_driver_sql("DROP TABLE mlopskit_requests")
            emptied.close()
            for log in list(pool.map(RequestLog, [postgresql] * 4)):
                assert log.mark() == 0
                log.close()


@pytest.mark.parametrize("column", ["time", "arm", "score", "score_0", "status", "_row"])
def test_a_logged_column_never_hides_one_of_the_log_itself(column: str) -> None:
    assert logged_name(column) == f"{column} (logged)"


def test_a_secret_is_found_by_reference_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(" abc\n", encoding="utf-8")
    monkeypatch.setenv("DEMO_SECRET", "xyz")
    assert resolve_secret(f"file:{tmp_path / 'token'}", what="token") == "abc"
    assert resolve_secret("env:DEMO_SECRET", what="token") == "xyz"
    for wrong in ("abc", "env:", "env:NOT_SET_ANYWHERE", f"file:{tmp_path / 'absent'}"):
        with pytest.raises(DeployError, match="Give a reference"):
            resolve_secret(wrong, what="token")


def test_share_finds_what_ships_and_says_when_it_does_not() -> None:
    assert (share("templates/serving") / "Dockerfile.j2").is_file()
    with pytest.raises(MlopskitError, match="is not part of this installation"):
        share("templates/nothing")
