"""A kernel that is asked to leave does so by itself, whichever of its threads is the slower one."""

from __future__ import annotations

from jupyter_client.manager import KernelManager

from mlopskit.runner.inkernel import NAME

UNLUCKY = """
def meet(published, control):
    import threading  # what a cell names is gone by then

    schedule, join, flushing = published.schedule, published.thread.join, threading.Event()

    def schedule_late(call):
        if threading.current_thread() is not control:
            return schedule(call)
        join(timeout=0.05)  # until the main thread has ended the thread that publishes, unless it waits for this one
        published.thread.is_alive = lambda: True  # as ipykernel found it a moment ago
        schedule(call)
        del published.thread.is_alive
        if call.__name__ == "set":
            flushing.set()

    def join_late(timeout=None):
        join(timeout)
        flushing.wait(timeout=2)

    published.schedule, published.thread.join = schedule_late, join_late

meet(get_ipython().kernel.iopub_thread, get_ipython().kernel.parent.control_thread)
"""
"""The threads of ipykernel meet as they do by chance: what is to be flushed comes when nobody publishes any more."""


def test_a_kernel_whose_control_thread_is_slow_to_flush_leaves_by_itself() -> None:
    manager = KernelManager(kernel_name="python3", shutdown_wait_time=120.0)  # then it would be killed
    manager.start_kernel(extra_arguments=[f"--ext={NAME}"])
    process, client = manager.provisioner.process, manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=180)
        assert client.execute_interactive(UNLUCKY, timeout=180)["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    assert process.returncode == 0, "it was killed"
