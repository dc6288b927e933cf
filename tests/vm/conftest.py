"""These tests want a kernel of their own; `tests/vm/run` gives them one."""

import os

collect_ignore_glob = [] if os.environ.get("BAIYING_VM") else ["test_*.py"]
