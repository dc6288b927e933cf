"""The files of systemd/: judged by systemd's own programs, and against what the code needs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

FILES = Path(__file__).parent.parent / "systemd"
UNIT = FILES / "baiying.service"
pytestmark = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd is not installed"
)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], check=False, capture_output=True, text=True
    )


@pytest.fixture
def root(tmp_path):
    """A file system with the unit installed as its head says."""
    units = tmp_path / "usr/lib/systemd/system"
    shutil.copytree("/usr/lib/systemd/system", units, symlinks=True)
    for program in ("opt/baiying/bin/baiying", "bin/sh", "bin/kill"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    shutil.copy(UNIT, tmp_path / "etc/systemd/system")
    return tmp_path


def settings() -> list[tuple[str, str]]:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and line[0] not in "#[")
    return [(name, value) for name, _, value in pairs]


def test_unit_is_clean(root):
    done = run("systemd-analyze", "verify", f"--root={root}", "/etc/systemd/system/baiying.service")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_verify_would_have_found_a_mistake(root):
    unit = root / "etc/systemd/system/baiying.service"
    unit.write_text(unit.read_text().replace("WatchdogSec=10", "WatchdogSeconds=10"))
    done = run("systemd-analyze", "verify", f"--root={root}", "/etc/systemd/system/baiying.service")
    assert "WatchdogSeconds" in done.stderr


def test_unit_exposes_little():
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", UNIT)
    assert done.returncode == 0, done.stdout
    exposure = float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout).group(1))
    assert exposure <= 2.0


def test_unit_says_what_the_gateway_relies_on():
    unit = settings()
    for line in [
        ("Type", "notify"),
        ("WatchdogSec", "10"),
        ("Restart", "always"),
        ("StartLimitIntervalSec", "0"),
        ("LoadCredential", "mqtt-password:%E/baiying/mqtt-password"),
        ("ExecStart", "/opt/baiying/bin/baiying run %E/baiying/baiying.yaml"),
        ("ExecStopPost", "/opt/baiying/bin/baiying unkey %E/baiying/baiying.yaml"),
        ("KillMode", "control-group"),
        # Without it setpriv fails, and with it the embedded broker; seen on a real systemd.
        ("SystemCallFilter", "capset"),
        # Without these the keyer is no more urgent than whatever else runs.
        ("SystemCallFilter", "sched_setscheduler setpriority"),
        ("LimitRTPRIO", "1"),
        ("LimitNICE", "-10"),
        ("DeviceAllow", "char-hidraw rw"),
    ]:
        assert line in unit
    names = {name for name, _ in unit}
    # Each of these breaks something that the unit's comment names.
    assert "RestrictRealtime" not in names
    assert not names & {"MemoryDenyWriteExecute", "PrivateDevices", "ProcSubset", "PrivateNetwork"}
    # An output line's descriptor kept by systemd would keep a transmitter keyed.
    assert "FileDescriptorStoreMax" not in names


def test_commands_of_the_unit_exist():
    from gateway.cli.main import app

    known = {command.callback.__name__ for command in app.registered_commands}
    for name, value in settings():
        if name.startswith("Exec") and "/baiying " in value:
            assert value.split()[1] in known


def test_user_and_groups_are_made_or_there(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "usr/lib/sysusers.d").mkdir(parents=True)
    shutil.copy("/usr/lib/sysusers.d/basic.conf", tmp_path / "usr/lib/sysusers.d")
    shutil.copy(FILES / "sysusers.d/baiying.conf", tmp_path / "usr/lib/sysusers.d")
    done = run("systemd-sysusers", f"--root={tmp_path}")
    assert (done.returncode, "onflict" in done.stderr) == (0, False), done.stderr
    assert "baiying:" in (tmp_path / "etc/passwd").read_text()
    groups = {line.split(":")[0] for line in (tmp_path / "etc/group").read_text().splitlines()}
    wanted = next(value for name, value in settings() if name == "SupplementaryGroups").split()
    assert groups >= {"baiying", *wanted}


def test_folder_of_the_configuration_is_made_and_the_password_is_closed(tmp_path):
    (tmp_path / "etc/baiying").mkdir(parents=True)
    (tmp_path / "etc/baiying/mqtt-password").write_text("secret\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\nbaiying:x:0:\n")
    done = run(
        "systemd-tmpfiles", f"--root={tmp_path}", "--create", FILES / "tmpfiles.d/baiying.conf"
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "etc/baiying").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "etc/baiying/mqtt-password").stat().st_mode & 0o777 == 0o600


UDEV_TERM = re.compile(
    r"(SUBSYSTEM|KERNELS?|ATTRS?\{\w+\}|ENV\{\w+\}|SYMLINK|GROUP|MODE)(==|\+=|=)"
    r'"[^"]+"'
)


def test_every_udev_rule_parses_and_matches_before_it_assigns():
    lines = (FILES / "udev/70-baiying.rules").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules
    for rule in rules:
        terms = [UDEV_TERM.fullmatch(term) for term in rule.split(", ")]
        assert all(terms), rule
        assigns = [match.group(2) != "==" for match in terms]
        assert assigns == sorted(assigns)
        assert assigns[0] is False
        assert assigns[-1] is True
