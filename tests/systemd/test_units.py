"""The units as files: how exposed they are, whether systemd understands them, whether every message is explained."""

import re
import shutil
import subprocess
from ipaddress import ip_network
from pathlib import Path

import pytest
from smgw.board.events import MESSAGE_IDS

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "systemd"

if shutil.which("systemd-analyze") is None:
    pytest.skip("MISSING systemd-analyze (Debian package systemd)", allow_module_level=True)


@pytest.mark.parametrize(
    ("unit", "tenths"),
    [
        ("smgw-lmn.service", 8),
        ("smgw-wan.service", 13),
        ("smgw-keys.service", 8),
        ("smgw-board.service", 8),
        ("smgw-han.service", 13),
        ("smgw-han-door.service", 20),
        ("smgw-poweroff.service", 20),
        ("smgw-setup.service", 20),
        ("smgw-retry@.service", 20),
        ("smgw-update.service", 13),
        ("smgw-update-good.service", 4),
        ("smgw-update-mark.service", 18),
        ("smgw-update-back.service", 16),
        ("emp.service", 13),
    ],
)
def test_exposure_is_bounded(unit: str, tenths: int) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={tenths}", "--no-pager", str(UNITS / unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    units = [file for kind in ("service", "timer", "target", "path", "socket") for file in UNITS.glob(f"*.{kind}")]
    for unit in units:
        # The program is not installed here; the package's tests run it.
        text = re.sub("/usr/bin/(smgw|emp|rauc)|/usr/lib/smgw/trial", "/bin/true", unit.read_text())
        (tmp_path / unit.name).write_text(text)
    for process, name in (
        ("lmn", "tcp-meters.conf"),
        ("wan", "system-clock.conf"),
        ("wan", "local-emp.conf"),
        ("board", "gpiomem.conf"),
    ):
        drop_in = tmp_path / f"smgw-{process}.service.d" / name
        drop_in.parent.mkdir(exist_ok=True)
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


def settings(file: str) -> dict[str, list[str]]:
    """Key -> its values, in order."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", (UNITS / file).read_text(), re.MULTILINE):
        found.setdefault(key, []).extend(value.split())
    return found


@pytest.mark.parametrize(
    "unit",
    [
        "smgw-lmn.service",
        "smgw-wan.service",
        "smgw-keys.service",
        "smgw-board.service",
        "smgw-han.service",
        "smgw-han-door.service",
        "smgw-retry@.service",
        "smgw-poweroff.service",
        "smgw-setup.service",
    ],
)
def test_no_process_of_the_gateway_reaches_d_bus(unit: str) -> None:
    assert "-/run/dbus" in settings(unit)["InaccessiblePaths"]


def test_the_wan_process_reaches_no_service_of_this_machine_but_names_unless_the_emp_is_here() -> None:
    unit = settings("smgw-wan.service")
    assert (unit["IPAddressDeny"], unit["IPAddressAllow"]) == (["localhost"], ["127.0.0.53", "127.0.0.54"])
    assert settings("local-emp.conf") == {"IPAddressAllow": ["localhost"]}
    assert unit["LimitFSIZE"] == ["512M"]


def test_meters_on_tcp_are_reached_in_private_networks_only() -> None:
    drop_in = settings("tcp-meters.conf")
    assert "IPAddressDeny" not in drop_in  # "any" of the unit stays
    assert settings("smgw-lmn.service")["IPAddressDeny"] == ["any"]
    networks = [ip_network(one) for one in drop_in["IPAddressAllow"] if one[0].isdigit() or ":" in one]
    assert len(networks) == 4
    assert all(network.is_private for network in networks)
    assert {"localhost", "link-local"} == set(drop_in["IPAddressAllow"]) - set(map(str, networks))


@pytest.mark.parametrize(("device", "module"), [("char-ttyUSB", "usbserial"), ("char-ttyACM", "cdc_acm")])
def test_a_head_may_be_plugged_in_long_after_the_start(device: str, module: str) -> None:
    """systemd looks the name up in /proc/devices when the service starts, and there it is once the module is loaded."""
    lines = (ROOT / "systemd" / "smgw-lmn.service").read_text().splitlines()
    assert f"DeviceAllow={device} rw" in lines
    for key in ("Wants", "After"):
        words = [word for line in lines if line.startswith(f"{key}=") for word in line.partition("=")[2].split()]
        assert f"modprobe@{module}.service" in words, key


def test_a_copied_serial_number_does_not_take_the_name_of_another_head(tmp_path: Path) -> None:
    (program,) = re.findall(r"PROGRAM==\"/bin/sh -c '(.*)'\", GOTO=\"smgw_end\"", (UNITS / "61-smgw.rules").read_text())
    script = program.replace("$$", "$").replace("/dev/smgw", str(tmp_path))

    def taken_from(device: Path) -> bool:
        environment = {"SMGW_ADAPTER": "ftdi", "ID_SERIAL_SHORT": "A10", "SMGW_INTERFACE": "", "DEVNAME": str(device)}
        return subprocess.run(["/bin/sh", "-c", script], env=environment, timeout=60).returncode == 0

    ours, copy, link = tmp_path / "ttyUSB0", tmp_path / "ttyUSB1", tmp_path / "serial-ftdi-A10"
    copy.touch()
    assert not taken_from(ours)  # nobody has the name
    ours.touch()
    link.symlink_to("ttyUSB0")
    assert not taken_from(ours)  # a change of the device that has it
    assert taken_from(copy)
    ours.unlink()
    assert not taken_from(copy)  # unplugged: the link is left over


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
