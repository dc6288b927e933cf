"""The voice: espeak-ng, one process for each phrase.

The text goes in on standard input and never as an argument. A process that hangs is killed; one that
fails, or is not there, is an error of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gateway.errors import DriverIOError, DriverUnavailable
from gateway.voice.dsp import Samples

NAME = "espeak-ng"
VOICES = {"zh": "cmn-latn-pinyin", "en": "en-gb"}
"""Of espeak-ng 1.51. Its voice ``cmn`` reads most Chinese words as English letters, for its dictionary
has them as pinyin; ``cmn-latn-pinyin`` reads the same dictionary right."""

_GENTLY = ("nice", "-n", "19")
_MOST_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Spoken:
    """Samples as espeak-ng made them, at its own rate."""

    samples: Samples
    rate_hz: int


class Espeak:
    """Renders phrases; ``program`` is the command, so that another may stand in for it."""

    def __init__(self, program: Sequence[str] = (NAME,)) -> None:
        self._program = tuple(program)

    async def version(self) -> str:
        """What renders: a phrase may sound otherwise under another version.

        Raises:
            DriverUnavailable: it is not installed.
            DriverIOError: it failed, or did not answer.
        """
        out = await self._run((*self._program, "--version"), b"", 5.0)
        return out.decode("utf-8", "replace").partition("Data at")[0].strip()

    async def render(
        self, text: str, voice: str, speed_wpm: int, *, within: float, gently: bool
    ) -> Spoken:
        """``text`` as it sounds, within ``within`` seconds; ``gently`` gives way to all other work.

        Raises:
            DriverUnavailable: it is not installed.
            DriverIOError: it failed (such as for a voice that it has not), or did not answer.
        """
        words = (
            *(_GENTLY if gently else ()),
            *self._program,
            *("-v", voice, "-s", str(speed_wpm), "-b", "1", "--stdin", "--stdout"),
        )
        return read_wav(await self._run(words, text.encode(), within))

    async def _run(self, words: Sequence[str], given: bytes, within: float) -> bytes:
        pipe = asyncio.subprocess.PIPE
        try:
            # A file and no pipe: a program that ends without reading leaves nothing half written.
            with os.fdopen(os.memfd_create("text"), "w+b", buffering=0) as text:
                text.write(given)
                text.seek(0)
                process = await asyncio.create_subprocess_exec(
                    *words, stdin=text, stdout=pipe, stderr=pipe
                )
        except FileNotFoundError as error:
            what = f"{error.filename} is not installed, so nothing can be announced in words"
            raise DriverUnavailable(NAME, what, package=NAME) from error
        except OSError as error:
            raise DriverIOError(NAME, error.strerror or str(error)) from error
        try:
            async with asyncio.timeout(within):
                out, complaint = await process.communicate()
        except TimeoutError:
            raise DriverIOError(NAME, f"did not answer within {within:g} s") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                # The transport reaps it; waiting here could be cancelled in its turn.
        said = complaint.decode("utf-8", "replace").strip().partition("\n")[0]
        if process.returncode in (126, 127):  # from `nice`: there is no such program
            raise DriverUnavailable(NAME, said or "cannot be started", package=NAME)
        if process.returncode:
            raise DriverIOError(NAME, f"exit status {process.returncode}: {said or 'no word why'}")
        return out


def read_wav(data: bytes) -> Spoken:
    """A WAV stream whose length nobody knew when its head was written.

    Raises:
        DriverIOError: it is none, or not mono with 16 bits.
    """
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise DriverIOError(NAME, "wrote no WAV stream")
    at, rate_hz = 12, 0
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        at += 8
        if name == b"fmt ":
            if len(data) < at + 16:
                break
            kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", data, at)
            if (kind, channels, bits) != (1, 1, 16) or not 4_000 <= rate_hz <= 192_000:
                what = f"wrote {channels} channels of {bits} bits at {rate_hz} Hz"
                raise DriverIOError(NAME, what)
        elif name == b"data" and rate_hz:
            body = data[at : at + min(length, _MOST_SECONDS * rate_hz * 2)]
            return Spoken(
                np.frombuffer(body[: len(body) // 2 * 2], "<i2").astype(np.int16), rate_hz
            )
        at += length + length % 2
    raise DriverIOError(NAME, "wrote a WAV stream without samples")
