"""``python -m gateway.cli.schema``: write what is generated from the settings, or check that it is current.

For developers; not a word of the `baiying` command.
"""

from __future__ import annotations

import sys
from pathlib import Path

from drivers import registry
from gateway.settings.reference_page import page
from gateway.settings.schema import part_schema, schema, text

ROOT = Path(__file__).parents[2]


def generated() -> dict[Path, str]:
    """Every generated file, relative to the repository, and what it must hold."""
    whole = schema(registry)
    return {
        Path("config/schema/baiying.schema.json"): text(whole),
        Path("config/schema/part.schema.json"): text(part_schema(whole)),
        Path("docs/configuration.md"): page(whole),
    }


def main() -> int:
    """Write the files; with ``--check``, only say which are stale and end with 1."""
    stale = [
        path
        for path, wanted in generated().items()
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != wanted
    ]
    for path in stale:
        print(f"{path}: stale" if "--check" in sys.argv else f"{path}: written")
        if "--check" not in sys.argv:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(generated()[path], encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
