"""A kernel is ready as soon as it has answered and is heard; one that is silent or dead is told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from queue import Empty
from typing import Any

import pytest

from mlopskit.runner import kernels
from mlopskit.runner.channels import PromptClient

pytestmark = [pytest.mark.notebooks]
PATIENCE = 180.0


def with_kernel(act: Callable[[kernels.Setting, PromptClient], Awaitable[Any]]) -> Any:
    """Do something with a kernel of our own that was started this moment, and end it."""

    async def do() -> Any:
        setting = kernels.Setting()
        await kernels.start(setting)
        assert setting.manager is not None
        client = setting.manager.client()
        try:
            return await act(setting, client)
        finally:
            client.stop_channels()
            await kernels.discard(setting)

    return asyncio.run(do())


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the questions that were asked."""
    asked: list[str] = []
    ask = PromptClient.kernel_info
    monkeypatch.setattr(PromptClient, "kernel_info", lambda self: asked.append(ask(self)) or asked[-1])
    return asked


async def said(client: PromptClient, code: str) -> str:
    """What a cell prints, to its end."""
    asked, text, state = client.execute(code), "", ""
    while state != "idle":
        message = await client.iopub_channel.get_msg(timeout=PATIENCE)
        if message["parent_header"].get("msg_id") == asked:
            text += message["content"].get("text", "")
            state = message["content"].get("execution_state", "")
    return text


def test_who_does_not_hear_the_end_of_the_answer_asks_again(questions: list[str]) -> None:
    async def act(_: kernels.Setting, client: PromptClient) -> str:
        client.start_channels()
        hear = client.iopub_channel.get_msg

        async def half_deaf(timeout: float) -> Any:
            while (message := await hear(timeout=PATIENCE))["parent_header"].get("msg_id") == questions[0]:
                if message["content"].get("execution_state") == "idle":
                    raise Empty  # as if it had been said before the channel was there
            return message

        client.iopub_channel.get_msg = half_deaf
        await client.wait_for_ready(PATIENCE)
        return await said(client, "print('heard')")

    assert with_kernel(act) == "heard\n"
    assert len(questions) > 1


def test_an_answer_to_an_earlier_question_is_none(questions: list[str]) -> None:
    async def act(_: kernels.Setting, client: PromptClient) -> str:
        client.start_channels()
        client.kernel_info()
        await client.wait_for_ready(PATIENCE)
        client.kernel_info()
        reply: dict[str, Any] = await client.shell_channel.get_msg(timeout=PATIENCE)
        return str(reply["parent_header"]["msg_id"])

    assert with_kernel(act) == questions[-1], "none of an earlier one was left"


def test_a_silent_kernel_is_given_up() -> None:
    async def act(setting: kernels.Setting, client: PromptClient) -> None:
        assert setting.watch.process is not None
        os.killpg(setting.watch.process.pid, signal.SIGSTOP)
        client.start_channels()
        await client.wait_for_ready(0.5)

    with pytest.raises(RuntimeError, match=r"The kernel did not answer in 0\.5 seconds"):
        with_kernel(act)


def test_a_kernel_that_died_is_not_waited_for() -> None:
    async def act(setting: kernels.Setting, client: PromptClient) -> None:
        assert setting.watch.process is not None
        os.killpg(setting.watch.process.pid, signal.SIGKILL)
        client.start_channels()
        await client.wait_for_ready()

    with pytest.raises(RuntimeError, match="The kernel died before it answered"):
        with_kernel(act)
