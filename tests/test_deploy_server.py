"""A real server on loopback."""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from mlopskit.data import ROW
from mlopskit.deploy import Bundle, Server, replay, rollout, to_rows, tune_deferral, write_bundle
from mlopskit.errors import DeployError

SERVED = runpy.run_path(str(Path(__file__).parent / "served.py"))
TOWN = SERVED["TOWN"]
GOOD = {"age": 40, "sex": "f", TOWN: "Köln", "member": True}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = SERVED["make_run"](tmp_path_factory.mktemp("project"))
    rule = tune_deferral(
        made.read("model/predictions_validation"), target=SERVED["TARGETS"]["binary"], max_deferred=0.4
    )
    write_bundle(made, deferral=rule)
    return made


@pytest.fixture(scope="module")
def server(run: Any) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEMO_TOKEN", "s3cret-täken")
        started = Server(Bundle.load(run.home / "bundle"), token="env:DEMO_TOKEN")
    with started:
        yield started.ready()


def _post(server: Server, body: Any, **options: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return server.http.post(f"{server.url}/predict", content=content, **options)


def test_one_row_and_many_rows_are_answered(server: Server) -> None:
    single = _post(server, {"features": GOOD})
    several = _post(server, {"rows": [{"row": 1, "features": GOOD}, {"row": "b", "features": {**GOOD, "age": None}}]})
    assert single.status_code == several.status_code == 200
    assert [answer["row"] for answer in several.json()["answers"]] == [1, "b"]
    score = single.json()["answers"][0]["score"]
    assert score == pytest.approx(several.json()["answers"][0]["score"], abs=1e-12)
    assert single.json()["answers"][0]["label"] in {"yes", "no"}
    assert single.json()["request_id"] != several.json()["request_id"]


def test_answers_agree_with_the_model_itself(server: Server, run: Any) -> None:
    stream = run.read("data/production").head(60)
    answers = server.post(to_rows(stream, server.bundle))
    expected = SERVED["predictions"](run.read("model/model"), stream, server.bundle.target, 0.4)
    np.testing.assert_allclose([answer["score"] for answer in answers], expected["score"])
    assert [answer["prediction"] for answer in answers] == expected["prediction"].tolist()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not valid JSON"),
        (b'{"features": {"age": NaN}}', "NaN is no JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        ({"rows": []}, "at least 1"),
        ({"rows": [{"features": GOOD}] * 1001}, "at most 1000"),
        ({"rows": [{"features": GOOD, "extra": 1}]}, "Extra inputs"),
        ({"features": {**GOOD, "agee": 1}}, "did you mean age"),
        ({"features": {"age": 4}}, "is missing"),
        ({"features": {**GOOD, "age": "old"}}, "needs a number"),
        ({"features": {**GOOD, "age": 10**300}}, "too large"),
        ({"features": {**GOOD, "sex": {"a": 1}}}, "needs text"),
        ({"features": {**GOOD, "\ud800": 1}}, "is unknown"),
        ([], "valid dictionary"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(server: Server, body: Any, said: str) -> None:
    response = _post(server, body)
    assert response.status_code == 422
    assert said in json.dumps(response.json()["detail"])


def test_unusual_values_are_answered_with_warnings(server: Server) -> None:
    response = _post(server, {"features": {**GOOD, "age": 500, TOWN: "Ulm"}})
    assert response.status_code == 200
    warned = {item["field"] for item in response.json()["answers"][0]["warnings"]}
    assert warned == {"age", TOWN}


def test_metrics_health_and_model_tell_what_was_served(server: Server) -> None:
    _post(server, {"features": GOOD})
    assert 'mlopskit_rows_total{arm="challenger"}' in server.get("/metrics")
    assert server.get("/health")["status"] == "ok"
    assert server.get("/health")["peak_memory_mb"] > 50
    assert server.get("/model")["target"]["classes"] == ["no", "yes"]
    assert server.http.get(f"{server.url}/nothing").status_code == 404


def test_the_log_keeps_allowed_columns_only_and_nothing_of_refused_requests(server: Server) -> None:
    _post(server, {"rows": [{"row": 77, "time": 3, "features": GOOD}]})
    _post(server, {"features": {**GOOD, "age": "secret text"}})
    records = server.records()
    kept = next(record for record in records if record["row"] == 77)
    assert kept["inputs"] == {"age": 40, "sex": "f"}
    assert records[-1]["status"] == "invalid"
    assert "secret text" not in json.dumps(records)


def test_routing_needs_the_word_that_the_starter_chose(server: Server) -> None:
    url = f"{server.url}/routing"
    assert server.http.put(url, content=b'{"share": 0}').status_code == 403
    assert server.http.put(url, content=b'{"share": 0}', headers={"X-Control": "guess"}).status_code == 403
    with pytest.raises(DeployError, match="answered 422"):
        server.route(share=2.0)


def test_a_failing_challenger_is_replaced_by_the_champion(server: Server, run: Any) -> None:
    stream = run.read("data/production").head(40)
    server.route(share=1.0, fault="error")
    answers = server.post(to_rows(stream, server.bundle, everything=True))
    server.route(share=1.0)
    assert {(answer["arm"], answer["status"]) for answer in answers} == {("champion", "fallback")}


def test_a_replay_leaves_one_line_a_row_in_order_of_time(server: Server, run: Any) -> None:
    stream = run.read("data/production")
    first = replay(server, stream, single=20, batch=30)
    second = replay(server, stream, single=20, batch=30, concurrency=1)
    assert first.requests[ROW].tolist() == stream[ROW].tolist()
    assert first.requests["time"].is_monotonic_increasing
    assert first.requests.equals(second.requests)
    assert list(first.requests) == [ROW, "time", "arm", "score", "prediction", "decided_by", "status", "age", "sex"]
    assert first.latency["latency_ms"].notna().sum() == 20
    assert 0 < first.load["p50_ms"] <= first.load["p95_ms"] <= first.load["p99_ms"]
    rule = server.bundle.deferral
    assert rule is not None
    deferred = rule.defers(first.requests["score"].to_numpy(), first.requests["prediction"].to_numpy())
    assert (first.requests["decided_by"] == "person").tolist() == deferred.tolist()


def test_without_the_token_nothing_but_health_answers(server: Server) -> None:
    assert server.status_without_token() == 401
    wrong = {"Authorization": "Bearer guess"}
    assert _post(server, {"features": GOOD}, headers=wrong).json()["detail"].startswith("send the token")
    assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 200
    assert server.keeps_secret()


def test_a_token_given_as_a_value_is_refused_without_being_repeated(run: Any) -> None:
    with pytest.raises(DeployError, match="Give a reference") as caught:
        Server(Bundle.load(run.home / "bundle"), token="hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_server_that_cannot_start_says_why(run: Any, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    copy.mkdir()
    for file in (run.home / "bundle").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    bundle = Bundle.load(copy)
    (copy / "model.skops").write_bytes((copy / "champion.skops").read_bytes())
    with pytest.raises(DeployError, match=r"did not start: .*model\.skops"):
        Server(bundle).ready()


def test_a_server_that_stays_silent_is_asked_where_it_is(run: Any) -> None:
    """Its request log's database takes the connection and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"postgresql://anyone@127.0.0.1:{mute.getsockname()[1]}/log"
        server = Server(Bundle.load(run.home / "bundle"), log=url)
        where = r"did not answer within 0\.2 s; it is in .*requestlog\.py:\d+.* Start it"
        with mute.accept()[0], pytest.raises(DeployError, match=where):  # it connects once all is imported
            server.ready(timeout=0.2)
    assert server._process.poll() is not None


def test_threads_that_wait_for_one_server_are_all_answered(run: Any) -> None:
    with Server() as server, ThreadPoolExecutor(6) as pool:
        _stands_by(server)  # and has said so: what it says next is one line for six
        server.serve(Bundle.load(run.home / "bundle"))
        waiting = [pool.submit(server.get, "/health") for _ in range(6)]
        assert [item.result(timeout=180)["status"] for item in waiting] == ["ok"] * 6


def test_threads_that_wait_for_a_server_that_ends_are_all_told_why(run: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"postgresql://anyone@127.0.0.1:{taken.getsockname()[1]}/log"
    with Server(Bundle.load(run.home / "bundle"), log=closed) as server, ThreadPoolExecutor(4) as pool:
        for item in [pool.submit(server.get, "/health") for _ in range(4)]:
            with pytest.raises(DeployError, match=r"did not start: .*OperationalError.*[Cc]onnection refused"):
                item.result(timeout=180)
        with (
            pytest.raises(ZeroDivisionError),  # what went wrong, not that a server that is gone takes no orders
            rollout._challenger_afterwards(server),
        ):
            1 / 0  # noqa: B018


def test_a_server_starts_before_its_bundle_is_there_and_the_wait_is_no_part_of_its_start(run: Any) -> None:
    with Server() as early:
        with pytest.raises(DeployError, match="name the bundle first"):
            early.ready()
        assert "standing by" in repr(early)
        began = time.perf_counter()
        _stands_by(early)
        time.sleep(1)
        early.serve(Bundle.load(run.home / "bundle")).ready()
        assert 0 < early.start_seconds < time.perf_counter() - early._began - 1
        assert early.start_seconds > early._stood_by - began
        assert early.get("/health")["status"] == "ok"
        with pytest.raises(DeployError, match="has its bundle already"):
            early.serve(early.bundle)


def test_a_server_that_stands_by_ends_with_whoever_started_it(run: Any) -> None:
    idle = Server()
    folder = idle._folder
    idle.stop()
    assert _gone(idle.pid)
    assert not folder.exists()


def test_the_server_does_not_outlive_a_killed_parent(run: Any) -> None:
    code = (
        "import sys, time; from mlopskit.deploy import Bundle, Server\n"
        "s = Server(Bundle.load(sys.argv[1])).ready(); print(s.pid, s.url, s._folder, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(run.home / "bundle")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid, url, folder = parent.stdout.readline().split()
    assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert _gone(int(pid))
    assert not Path(folder).exists()


ONLY_PINNED = """
import sys
from importlib.metadata import packages_distributions
pinned = {line.partition('==')[0].replace('-', '_') for line in open(sys.argv[1] + '/requirements.txt')} | {'mlopskit'}
homes = packages_distributions()
absent = {top for top, names in homes.items() if not {n.lower().replace('-', '_') for n in names} & pinned}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in absent:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from mlopskit.deploy import server
sys.exit(server.main(sys.argv[1:]))
"""


def test_the_server_needs_no_package_that_its_bundle_does_not_pin_and_ends_when_idle(run: Any, tmp_path: Path) -> None:
    options = ["--idle", "0.5", "--log", f"sqlite:///{tmp_path / 'log.db'}"]
    command = [sys.executable, "-c", ONLY_PINNED, str(run.home / "bundle"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.stderr == ""
    assert json.loads(done.stdout)["event"] == "listening"
    assert done.returncode == 0


def _stands_by(server: Server) -> None:
    end = time.monotonic() + 180
    while server._lines.empty():
        assert time.monotonic() < end, "it said nothing"
        time.sleep(0.01)


def _gone(pid: int) -> bool:
    for _ in range(1800):
        try:
            os.kill(pid, 0)
            state = (
                Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] if Path("/proc").exists() else ""
            )
            if state == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.1)
    return False
