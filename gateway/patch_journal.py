"""Patches by hand in the journal: who joined whom, when, and when it ended. No decisions."""

from __future__ import annotations

from gateway.alarm.journal.journal import Journal
from gateway.alarm.journal.rows import Kind, Row


class JournalPatches:
    """A `gateway.voice.patches.patch_board.PatchMemory`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def standing(self) -> tuple[bytes, ...]:
        """The patches that have not ended; raises StorageError."""
        return tuple(row.body for row in await self._journal.standing(Kind.PATCHED))

    async def made(self, patch: str, body: bytes) -> None:
        """Return once it is on disk; raises StorageError."""
        await self._journal.append([Row(Kind.PATCHED, patch, body)])

    async def ended(self, patch: str, body: bytes) -> None:
        """Return once it is on disk; raises StorageError."""
        await self._journal.append([Row(Kind.UNPATCHED, patch, body)])
