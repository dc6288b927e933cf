"""The demo's three daemons, as real processes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Self

from gateway.errors import BaiyingError
from gateway.ops.parent import ends_with_parent

READY_WITHIN = 20.0
STOP_WITHIN = 5.0  # contract, section 5


class GatewayProcess:
    """`baiying run` on one configuration, its log in a file; a context manager.

    It is stopped when we are killed.
    """

    def __init__(self, name: str, config: Path, log: Path) -> None:
        self.name = name
        self.config = config
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self.stopped_cleanly = False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def socket(self) -> Path:
        return self.config.parent.parent / self.name / "control.sock"

    async def __aenter__(self) -> Self:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "run", str(self.config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops them in order
                preexec_fn=ends_with_parent(),
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._process
        assert process is not None
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN):
                    self.stopped_cleanly = await process.wait() == 0
        if process.returncode is None:
            process.kill()
            await process.wait()

    async def ready(self, within: float = READY_WITHIN) -> None:
        """Wait for the line with the word ``ready``, at most ``within`` seconds.

        Raises:
            BaiyingError: the gateway ended, or did not get ready in time; with its last words.
        """
        assert self._process is not None
        try:
            async with asyncio.timeout(within):
                while " ready" not in self._said():
                    if self._process.returncode is not None:
                        raise BaiyingError(f"gateway {self.name} ended:\n{self._said()[-2000:]}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise BaiyingError(
                f"gateway {self.name} was not ready within {within:.0f} s:\n{self._said()[-2000:]}"
            ) from None

    async def command(self, *words: str) -> int:
        """Run `baiying WORDS` against this gateway, as an operator would; its exit status."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *words, "--config", str(self.config)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await process.wait()

    def _said(self) -> str:
        return self._log.read_text("utf-8", errors="replace")
