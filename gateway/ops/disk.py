"""What a disk that is full or failing says. It stops no start: alarms go out, marked as not stored."""

from __future__ import annotations

import errno

DISK_FAILS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
"""Numbers of `OSError`; EROFS is what the kernel makes of a disk with errors."""
