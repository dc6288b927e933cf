"""Calls that may hang, each in a daemon thread of its own, so that they hang neither loop nor exit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(
    name: str, call: Callable[[], T], *, within: float, undo: Callable[[T], object] | None = None
) -> T:
    """The result of ``call()``, waited for at most ``within`` seconds.

    A result that comes when nobody waits any more is given to ``undo``, in a thread again.

    Raises:
        TimeoutError: the call did not return; its thread is left behind.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def give_back(result: T) -> None:
        if undo is not None:
            threading.Thread(target=undo, args=(result,), name=f"{name}.undo", daemon=True).start()

    def succeed(result: T) -> None:
        if future.cancelled():
            give_back(result)
        else:
            future.set_result(result)

    def fail(error: BaseException) -> None:
        if not future.cancelled():
            future.set_exception(error)

    def run() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            _tell(loop, fail, error)
        else:
            if not _tell(loop, succeed, result):
                give_back(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        async with asyncio.timeout(within):
            return await future
    except BaseException:
        if future.done() and not future.cancelled() and future.exception() is None:
            give_back(future.result())  # it came at the very moment of giving up
        raise


def _tell(loop: asyncio.AbstractEventLoop, callback: Callable[[T], None], value: T) -> bool:
    """From a thread into the loop; False where the loop has been closed."""
    try:
        loop.call_soon_threadsafe(callback, value)
    except RuntimeError:
        return False
    return True
