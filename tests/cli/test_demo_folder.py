"""Where ``baiying demo`` may put what it made."""

from __future__ import annotations

import pytest

from gateway.cli.demo.play import _empty
from gateway.errors import BaiyingError


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BaiyingError, match=r"file/demo cannot be used: .*--out"):
        _empty(tmp_path / "file" / "demo")


def test_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "thesis").write_text("")
    with pytest.raises(BaiyingError, match="not a demo's"):
        _empty(tmp_path)
    assert (tmp_path / "thesis").exists()


def test_second_demo_removes_only_what_the_first_left(tmp_path):
    out = tmp_path / "demo"
    _empty(out)
    (out / "recordings").mkdir()
    (out / "mine").write_text("")
    _empty(out)
    assert not (out / "recordings").exists()
    assert (out / "mine").exists()
