"""The units as files: how exposed they are, whether systemd understands them, whether every message is explained."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from smgw.board.events import MESSAGE_IDS

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "systemd"

if shutil.which("systemd-analyze") is None:
    pytest.skip("MISSING systemd-analyze (Debian package systemd)", allow_module_level=True)


@pytest.mark.parametrize(("unit", "tenths"), [("smgw-lmn.service", 8), ("smgw-wan.service", 13), ("emp.service", 13)])
def test_exposure_is_bounded(unit: str, tenths: int) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={tenths}", "--no-pager", str(UNITS / unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    units = [file for kind in ("service", "timer", "target") for file in UNITS.glob(f"*.{kind}")]
    for unit in units:
        # The program is not installed here; the package's tests run it.
        (tmp_path / unit.name).write_text(re.sub("/usr/bin/(smgw|emp)", "/bin/true", unit.read_text()))
    for process, name in (("lmn", "tcp-meters.conf"), ("wan", "system-clock.conf")):
        drop_in = tmp_path / f"smgw-{process}.service.d" / name
        drop_in.parent.mkdir()
        drop_in.write_text((UNITS / name).read_text())
    done = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            "--recursive-errors=no",
            "--man=no",
            *(str(tmp_path / unit.name) for unit in units),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{tmp_path}:/usr/lib/systemd/system"},
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_catalog_explains_every_event_and_no_other() -> None:
    catalog = (UNITS / "smgw.catalog").read_text()
    entries = dict(re.findall(r"^-- ([0-9a-f]{32})\n((?:(?!^-- ).*\n?)*)", catalog, re.MULTILINE))
    assert sorted(entries) == sorted(MESSAGE_IDS.values())
    for text in entries.values():
        subject, _, rest = text.partition("\n")
        assert subject.startswith("Subject: ")
        cause, remedy = rest.partition("\n\n")[2].strip().split("\n\n")
        assert cause
        assert remedy


def test_every_event_that_the_program_logs_is_in_the_catalog() -> None:
    found = set()
    for file in (ROOT / "firmware" / "smgw").rglob("*.py"):
        text = file.read_text()
        found |= set(re.findall(r"\"event\": \"([a-z-]+)\"", text)) | set(re.findall(r"_about\(\"([a-z-]+)\"", text))
    assert len(found) > 15
    assert found <= set(MESSAGE_IDS)


def test_no_message_id_is_used_twice() -> None:
    assert len(set(MESSAGE_IDS.values())) == len(MESSAGE_IDS)
