"""A disk with faults, for one process: what `disk.c` does, as switches."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

SECTOR_BYTES = 512
"""What a disk writes whole, or not at all."""

SOURCE = Path(__file__).with_name("disk.c")


class FaultyDisk:
    """Faults of the files below ``root``, for processes started with ``environment``."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.root = root
        self._control = folder / "disk-control"
        self._control.mkdir()
        self._library = folder / "disk.so"
        subprocess.run(
            [
                "gcc",
                "-shared",
                "-fPIC",
                "-O1",
                "-Wall",
                "-Werror",
                "-o",
                self._library,
                SOURCE,
                "-ldl",
            ],
            check=True,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "LD_PRELOAD": str(self._library),
            "DISK_ROOT": str(self.root.resolve()),
            "DISK_CONTROL": str(self._control),
        }

    def slow_down(self, milliseconds: int) -> None:
        fresh = self._control / "fsync_ms.new"
        fresh.write_text(str(milliseconds))
        fresh.rename(self._control / "fsync_ms")

    def fail_syncs(self) -> None:
        (self._control / "fsync_eio").touch()

    def fill_up(self) -> None:
        (self._control / "write_enospc").touch()

    def mend(self) -> None:
        for name in ("fsync_eio", "write_enospc", "fsync_ms"):
            (self._control / name).unlink(missing_ok=True)

    def log_syncs(self) -> None:
        (self._control / "log").touch()

    @property
    def log(self) -> list[str]:
        return (self._control / "log").read_text().splitlines()

    def keep_synced_copies(self) -> None:
        """From now on, `power_cut` is possible; what is below the root now counts as on disk."""
        shutil.copytree(self.root, self._control / "shadow")

    def forget_copies(self) -> None:
        """No power cut is possible any more."""
        shutil.rmtree(self._control / "shadow")

    def power_cut(self, to: Path, chance: random.Random | None = None) -> None:
        """Write what the disk would hold into ``to``; the process must have been killed.

        That is what was synced; with ``chance`` some sectors more, as the kernel may have written
        any of them meanwhile, in any order.
        """
        shutil.copytree(self._control / "shadow", to, ignore=shutil.ignore_patterns("*.new"))
        if chance is None:
            return
        for path in to.iterdir():
            now = (self.root / path.name).read_bytes() if (self.root / path.name).exists() else b""
            path.write_bytes(_torn(path.read_bytes(), now, chance))


def _torn(synced: bytes, written: bytes, chance: random.Random) -> bytes:
    """``synced`` with a random part of what was ``written`` since; its size is one of the two."""
    size = len(chance.choice([synced, written]))
    share = chance.random()
    found = bytearray(synced[:size].ljust(size, b"\0"))
    for at in range(0, min(size, len(written)), SECTOR_BYTES):
        if chance.random() < share:
            sector = written[at : at + SECTOR_BYTES][: size - at]
            found[at : at + len(sector)] = sector
    return bytes(found)
