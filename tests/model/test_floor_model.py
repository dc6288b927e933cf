"""The floor across gateways, checked state by state with spin: see floor.pml."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).with_name("floor.pml")

pytestmark = pytest.mark.skipif(
    shutil.which("spin") is None or shutil.which("gcc") is None, reason="needs spin and gcc"
)


def search(folder, **defines):
    """Errors found, states seen, and whether the whole space was searched."""
    words = [f"-D{name}={value}" for name, value in defines.items()]
    subprocess.run(["spin", "-a", *words, MODEL], cwd=folder, check=True, capture_output=True)
    subprocess.run(
        ["gcc", "-O2", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=4000", "-o", "pan", "pan.c"],
        cwd=folder, check=True,
    )  # fmt: skip
    done = subprocess.run(
        ["./pan", "-m100000", "-E"], cwd=folder, check=True, capture_output=True, text=True,
        timeout=900,
    )  # fmt: skip
    errors = int(re.search(r"errors: (\d+)", done.stdout)[1])
    states = int(re.search(r"(\d+) states, stored", done.stdout)[1])
    whole = "not completed" not in done.stdout and "max search depth" not in done.stdout
    return errors, states, whole


def test_whole_space_has_one_talker_and_heals(tmp_path):
    errors, states, whole = search(tmp_path, ASKS=1, FAULTS=1)
    assert errors == 0
    assert whole
    assert states > 100_000, "the faults must have happened"


full = pytest.mark.skipif(
    os.environ.get("MODEL") != "full", reason="minutes; see `make test-model`"
)


@full
def test_whole_space_of_two_deaths_has_one_talker_and_heals(tmp_path):
    errors, states, whole = search(tmp_path, ASKS=1, FAULTS=2, NO_WIRES=1)
    assert errors == 0
    assert whole
    assert states > 1_000_000


@full
def test_whole_space_of_two_words_each_has_one_talker_and_heals(tmp_path):
    errors, states, whole = search(tmp_path, ASKS=2, FAULTS=1)
    assert errors == 0
    assert whole
    assert states > 1_000_000


@full
def test_control_that_forgets_its_terms_is_found_wrong(tmp_path):
    errors, _, _ = search(tmp_path, ASKS=1, FAULTS=2, NO_WIRES=1, NO_STORE=1)
    assert errors == 1


@pytest.mark.parametrize("control", ["NO_GATE", "NO_TERM"])
def test_control_without_the_fence_is_found_wrong(tmp_path, control):
    errors, _, _ = search(tmp_path, ASKS=1, FAULTS=1, **{control: 1})
    assert errors == 1
