"""The two services under a real systemd: Debian 12, the package installed, a pty of this computer as the head."""

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import pytest
from host_head import HostHead
from line_meter import telegram
from machine import Machine
from smgw.trust.self_signed import make_self_signed

GATEWAY = """\
[gateway]
device_id = "ESMG0000000001"
"""
HOUSE = """
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB0"
registration_period = 0
silence = 5
"""
CONFIGURATION = "/etc/smgw/gateway.toml"
DROP_INS = "/etc/systemd/system/smgw-lmn.service.d"
STATE = "/var/lib/smgw"
# A meter inside the machine: pushes telegrams into a pty under a name of its own, or to whoever connects.
METER = """\
import os, socket, ssl, sys, time
where, octets = sys.argv[1], bytes.fromhex(sys.argv[2])
if where.startswith("tls:"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ecdh_curve("brainpoolP256r1")
    context.load_cert_chain("/root/meter.crt", "/root/meter.key")
    with socket.create_server(("127.0.0.1", int(where[4:]))) as listener:
        while True:
            try:
                with context.wrap_socket(listener.accept()[0], server_side=True) as peer:
                    while True:
                        peer.sendall(octets)
                        time.sleep(0.2)
            except OSError:
                pass
if where.startswith("tcp:"):
    with socket.create_server(("127.0.0.1", int(where[4:]))) as listener:
        while True:
            peer, _ = listener.accept()
            try:
                while True:
                    peer.sendall(octets)
                    time.sleep(0.2)
            except OSError:
                peer.close()
master, slave = os.openpty()
os.fchmod(slave, 0o666)
os.makedirs(os.path.dirname(where), exist_ok=True)
try:
    os.symlink(os.ttyname(slave), where)
    os.close(slave)
    time.sleep(0.1)
    while True:
        try:
            os.write(master, octets)
        except OSError:
            pass
        time.sleep(0.2)
finally:
    os.unlink(where)
"""


@pytest.fixture(autouse=True)
def _as_installed(machine: Machine, head: HostHead) -> Iterator[None]:
    """Every test begins with one meter that is read, and without what the one before did to the units."""
    head.speak()
    machine.run("rm", "-rf", DROP_INS)
    machine.run("systemctl", "daemon-reload")
    configure(machine, HOUSE)
    machine.try_run("systemctl", "stop", "smgw-retry@smgw-lmn.timer")
    machine.run("systemctl", "reset-failed")
    machine.run("systemctl", "restart", "smgw-lmn", "smgw-wan")
    return


def configure(machine: Machine, *meters: str) -> None:
    machine.write(CONFIGURATION, GATEWAY + "".join(meters))


def meter(name: str, port: str, **keys: str) -> str:
    more = "".join(f'{key} = "{value}"\n' for key, value in keys.items())
    return (
        f'\n[[meter]]\nname = "{name}"\nprotocol = "sml-push"\nport = "{port}"\n'
        f"registration_period = 0\nsilence = 5\n{more}"
    )


def plug(machine: Machine, unit: str, where: str) -> None:
    machine.write("/root/meter.py", METER)
    frame = telegram(4711).hex()
    machine.run(
        "systemd-run", "--quiet", f"--unit={unit}", "--collect", "/usr/bin/python3", "/root/meter.py", where, frame
    )


def status_of(machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machine.try_run("smgw", "status", "--json").stdout)
    return found


def state_of(machine: Machine, name: str) -> str:
    found = json.loads(machine.try_run("smgw", "status", "--json").stdout)
    return next(str(one["state"]) for one in found["meters"] if one["name"] == name)


def good(machine: Machine, name: str) -> int:
    """Telegrams that are kept. The count `good` of the status may be minutes old."""
    found = json.loads(machine.try_run("smgw", "status", "--json").stdout)
    return next(int(one["records"]) for one in found["meters"] if one["name"] == name)


def values(machine: Machine) -> list[int]:
    """Those that the store has, in order, from outside and after a stop."""
    with sqlite3.connect(f"file:{machine.root}{STATE}/lmn/lmn.db?mode=ro", uri=True) as connection:
        query = """SELECT value FROM reading JOIN register ON register.id = reading.register
            WHERE hex(register.obis) = '0100010800FF' ORDER BY capture"""
        return [row[0] for row in connection.execute(query)]


def pid(machine: Machine, unit: str = "smgw-lmn") -> str:
    return machine.show(unit, "MainPID")["MainPID"]


def test_a_pty_of_this_computer_is_read_as_a_head(machine: Machine) -> None:
    machine.until(lambda: state_of(machine, "house") == "reading")
    machine.until(lambda: "1 meters: 1 reading" in machine.show("smgw-lmn", "StatusText")["StatusText"])
    assert machine.show("smgw-lmn", "ActiveState", "User", "Group") == {
        "ActiveState": "active", "User": "smgw-lmn", "Group": "smgw",
    }  # fmt: skip


def test_stores_lie_where_the_other_process_may_only_read(machine: Machine) -> None:
    found = machine.run("stat", "-c", "%n %U %G %a", f"{STATE}/lmn", f"{STATE}/wan", f"{STATE}/lmn/lmn.db").splitlines()
    assert found == [
        f"{STATE}/lmn smgw-lmn smgw 2750",
        f"{STATE}/wan smgw-wan smgw 2750",
        f"{STATE}/lmn/lmn.db smgw-lmn smgw 640",
    ]


def test_live_values_are_read_by_the_group_and_by_no_stranger(machine: Machine) -> None:
    machine.until(lambda: machine.run("find", "/run/smgw/live", "-name", "*.json"))
    files = machine.run("find", "/run/smgw/live", "-name", "*.json").split()
    assert len(files) == 1
    found = machine.run("stat", "-c", "%n %U %G %a", "/run/smgw/live", *files).splitlines()
    assert found == ["/run/smgw/live smgw-lmn smgw 2750", f"{files[0]} smgw-lmn smgw 640"]
    assert machine.run("stat", "-f", "-c", "%T", "/run/smgw/live").strip() == "tmpfs"
    machine.run("useradd", "--system", "--groups", "smgw", "reader")
    try:
        live = json.loads(machine.run("runuser", "-u", "reader", "--", "cat", files[0]))
        assert (live["version"], live["meter"], live["port"]) == (1, "house", "/dev/ttyUSB0")
        watched = machine.run("runuser", "-u", "reader", "--", "smgw", "watch", "--once")
        assert "1-0:1.8.0" in watched
        assert machine.try_run("runuser", "-u", "reader", "--", "rm", files[0]).returncode != 0
    finally:
        machine.run("userdel", "reader")
    assert machine.try_run("runuser", "-u", "nobody", "--", "cat", files[0]).returncode != 0
    assert machine.try_run("runuser", "-u", "nobody", "--", "ls", "/run/smgw/live").returncode != 0
    machine.run("systemctl", "stop", "smgw-lmn")
    assert machine.try_run("ls", "/run/smgw/live").returncode != 0


def test_a_user_who_may_not_look_is_told_which_group_to_join(machine: Machine) -> None:
    for command in ("status", "log"):
        done = machine.try_run("runuser", "-u", "nobody", "--", "smgw", command)
        assert (done.returncode, "sudo adduser nobody smgw" in done.stderr) == (2, True), done.stderr


def test_the_journal_is_asked_by_meter_and_explains_itself(machine: Machine) -> None:
    machine.until(lambda: machine.journal("METER=house", "EVENT=meter-reading"))
    fields = json.loads(machine.run("journalctl", "--output=json", "-n", "1", "METER=house", "EVENT=meter-reading"))
    assert fields["PORT"] == "/dev/ttyUSB0"
    assert fields["_SYSTEMD_UNIT"] == "smgw-lmn.service"
    explained = machine.run("journalctl", "-x", "-n", "1", f"MESSAGE_ID={fields['MESSAGE_ID']}")
    assert "Subject: Meter house is read" in explained


def test_a_process_that_hangs_is_killed_by_the_watchdog_and_starts_again(machine: Machine) -> None:
    machine.write(f"{DROP_INS}/watchdog.conf", "[Service]\nWatchdogSec=3\nRestartSec=0.2\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "smgw-lmn")
    before = pid(machine)
    time.sleep(4)  # more than the watchdog's time: it is fed
    assert pid(machine) == before
    machine.run("systemctl", "kill", "--signal=STOP", "smgw-lmn")
    machine.until(lambda: pid(machine) not in (before, "0"))
    machine.until(lambda: machine.show("smgw-lmn", "ActiveState")["ActiveState"] == "active")
    assert machine.show("smgw-lmn", "NRestarts")["NRestarts"] == "1"
    machine.until(lambda: state_of(machine, "house") == "reading")


def test_a_service_that_cannot_start_is_tried_often_then_seldom_and_comes_back_by_itself(machine: Machine) -> None:
    machine.write(f"{DROP_INS}/quick.conf", "[Service]\nRestartSec=0.1\n")
    machine.run("systemctl", "daemon-reload")
    configure(machine, HOUSE.replace("sml-push", "sml-posh"))
    machine.try_run("systemctl", "restart", "smgw-lmn")
    machine.until(lambda: machine.show("smgw-lmn", "ActiveState")["ActiveState"] == "failed")
    told = machine.journal("EVENT=start-refused", "-n", "1")
    assert "gateway.toml" in told[0]
    assert "sml-push" in told[-1]
    retry = machine.show("smgw-retry@smgw-lmn.timer", "ActiveState", "NextElapseUSecMonotonic")
    assert retry["ActiveState"] == "active"
    configure(machine, HOUSE)
    machine.run(
        "systemctl", "start", "smgw-retry@smgw-lmn.service"
    )  # what the timer does after five minutes, sandboxed
    machine.until(lambda: machine.show("smgw-lmn", "ActiveState")["ActiveState"] == "active")


def test_a_reload_takes_a_new_meter_and_the_others_notice_nothing(machine: Machine) -> None:
    machine.until(lambda: good(machine, "house") > 3)
    before, began, seen = pid(machine), time.time(), good(machine, "house")
    plug(machine, "roof", "/run/heads/roof")
    try:
        configure(machine, HOUSE, meter("roof", "/run/heads/roof"))
        machine.run("systemctl", "reload", "smgw-lmn")
        machine.until(lambda: state_of(machine, "roof") == "reading")
    finally:
        machine.run("systemctl", "stop", "roof")
    assert pid(machine) == before
    machine.until(lambda: good(machine, "house") > seen)
    assert machine.journal("METER=house", f"--since=@{began:.0f}", "EVENT=meter-waiting") == []
    assert "meter roof is new" in machine.journal("EVENT=configuration-taken", "_SYSTEMD_UNIT=smgw-lmn.service")[-1]


def test_a_reload_of_a_wrong_configuration_fails_and_changes_nothing(machine: Machine) -> None:
    machine.until(lambda: state_of(machine, "house") == "reading")
    before = pid(machine)
    configure(machine, HOUSE.replace("/dev/ttyUSB0", ""))
    done = machine.try_run("systemctl", "reload", "smgw-lmn")
    assert done.returncode != 0
    assert any("gateway.toml:7" in line for line in machine.journal("_SYSTEMD_UNIT=smgw-lmn.service", "-n", "20"))
    configure(machine, HOUSE)
    seen = good(machine, "house")
    machine.until(lambda: good(machine, "house") > seen)
    assert pid(machine) == before


def test_a_stop_under_load_loses_nothing(machine: Machine, head: HostHead) -> None:
    machine.until(lambda: state_of(machine, "house") == "reading")
    first = head.sent
    for pause in (0.02, 0.2):
        head.pause = pause
        machine.until(lambda: good(machine, "house") > 10)
        sent = head.sent - 1  # what was sent before the stop began; the last one may still be gathered
        machine.run("systemctl", "stop", "smgw-lmn")
        kept = [value for value in values(machine) if first + 10 < value <= sent]
        assert kept == list(range(first + 11, sent + 1))
        machine.run("systemctl", "start", "smgw-lmn")
        first = head.sent


def test_a_power_cut_loses_nothing_that_was_kept(machine: Machine, head: HostHead) -> None:
    machine.until(lambda: good(machine, "house") > 10)
    kept = good(machine, "house")
    machine.cut_power()
    before = values(machine)
    machine.boot()
    machine.until(lambda: state_of(machine, "house") == "reading")
    machine.run("systemctl", "stop", "smgw-lmn")
    assert len(before) >= kept - 1
    assert values(machine)[: len(before)] == before


def test_a_password_comes_as_an_encrypted_credential_and_stays_secret(machine: Machine) -> None:
    polled = meter("solar", "/dev/ttyUSB0", username="reader", password_file="meter_solar").replace("push", "poll")
    configure(machine, polled.replace("silence = 5\n", ""))
    machine.try_run("systemctl", "restart", "smgw-lmn")
    machine.until(lambda: machine.journal("EVENT=start-refused", "-n", "1"))
    assert "meter_solar" in machine.journal("EVENT=start-refused", "-n", "1")[0]
    file = "/etc/smgw/credentials/meters/solar"
    machine.run("systemd-creds", "encrypt", "--name=meter_solar", "-", file, given="open sesame")
    machine.run("systemctl", "restart", "smgw-lmn")
    assert machine.show("smgw-lmn", "ActiveState")["ActiveState"] == "active"
    assert b"sesame" not in (machine.root / file.lstrip("/")).read_bytes()
    assert not [line for line in machine.journal() if "sesame" in line]
    machine.run("rm", file)


def test_a_meter_on_tcp_is_refused_without_the_drop_in_and_served_with_it(machine: Machine) -> None:
    plug(machine, "bridge", "tcp:33333")
    try:
        configure(machine, HOUSE, meter("bridge", "socket://127.0.0.1:33333"))
        machine.run("systemctl", "restart", "smgw-lmn")
        machine.until(lambda: state_of(machine, "bridge") == "absent")
        assert "cannot connect" in machine.journal("METER=bridge", "EVENT=meter-absent")[-1]
        machine.run("install", "-D", "-m", "644", "/usr/share/smgw/tcp-meters.conf", f"{DROP_INS}/tcp-meters.conf")
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", "smgw-lmn")
        machine.until(lambda: state_of(machine, "bridge") == "reading")
        properties = machine.show("smgw-lmn", "PrivateNetwork", "IPAddressDeny")  # the private networks are allowed
        assert properties["PrivateNetwork"] == "no"
        assert sorted(properties["IPAddressDeny"].split()) == ["0.0.0.0/0", "::/0"]
    finally:
        machine.run("systemctl", "stop", "bridge")


def test_a_meter_with_tls_is_read_by_a_key_that_its_process_alone_may_read(machine: Machine) -> None:
    for ending, octets in zip(
        ("key", "crt"), make_self_signed("meter", "brainpool", int(time.time()) - 86_400), strict=True
    ):
        machine.write(f"/root/meter.{ending}", octets.decode())
    plug(machine, "secured", "tls:33334")
    try:
        configure(machine, HOUSE, meter("secured", "tls://127.0.0.1:33334"))
        machine.run("install", "-D", "-m", "644", "/usr/share/smgw/tcp-meters.conf", f"{DROP_INS}/tcp-meters.conf")
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", "smgw-lmn")
        machine.until(lambda: state_of(machine, "secured") == "absent")
        assert "smgw keys meter" in machine.journal("METER=secured", "EVENT=meter-absent")[-1]
        machine.run("smgw", "keys", "lmn")
        machine.run("smgw", "keys", "meter", "secured", "/root/meter.crt")
        machine.until(lambda: state_of(machine, "secured") == "reading")
        folder = f"{STATE}/trust/lmn"
        listed = machine.run("stat", "-c", "%U %a", folder, f"{folder}/tls.key").splitlines()
        assert listed == ["smgw-lmn 700", "smgw-lmn 600"]
        for user in ("smgw-wan", "smgw-keys"):
            told = machine.try_run("runuser", "-u", user, "--", "cat", f"{folder}/tls.key")
            assert "Permission denied" in told.stderr
    finally:
        machine.run("systemctl", "stop", "secured")


def test_a_head_that_is_unplugged_and_plugged_in_again_is_told_once_and_read_again(
    machine: Machine,
) -> None:
    configure(machine, meter("roof", "/run/heads/roof"))
    plug(machine, "roof", "/run/heads/roof")
    machine.run("systemctl", "restart", "smgw-lmn")
    machine.until(lambda: state_of(machine, "roof") == "reading")
    began = time.time()
    machine.run("systemctl", "kill", "--signal=KILL", "roof")
    machine.run("rm", "-f", "/run/heads/roof")
    machine.until(lambda: machine.journal("METER=roof", "EVENT=meter-absent", f"--since=@{began:.3f}"))
    time.sleep(3)
    assert len(machine.journal("METER=roof", "EVENT=meter-absent", f"--since=@{began:.3f}")) == 1
    again = time.time()
    plug(machine, "roof", "/run/heads/roof")
    machine.until(lambda: machine.journal("METER=roof", "EVENT=meter-reading", f"--since=@{again:.3f}"))
    machine.run("systemctl", "stop", "roof")


def test_the_clock_that_timesyncd_keeps_is_a_time_source_within_the_sandbox(machine: Machine) -> None:
    machine.until(lambda: machine.journal("SERVER=system clock", "EVENT=time-server-refused"))
    assert status_of(machine)["clock"]["state"] == "invalid"
    sign = "/run/systemd/timesync/synchronized"
    machine.run("install", "-D", "-m", "644", "/dev/null", sign)
    try:
        machine.until(lambda: status_of(machine)["clock"]["state"] == "synchronised")
        (source,) = status_of(machine)["clock"]["sources"]
        assert source["source"] == "system clock (systemd-timesyncd)"
    finally:
        machine.run("rm", sign)


def test_with_the_drop_in_the_kernel_may_be_asked_about_its_clock_and_cannot_be_told_it(machine: Machine) -> None:
    folder = "/etc/systemd/system/smgw-wan.service.d"
    machine.run("install", "-D", "-m", "644", "/usr/share/smgw/system-clock.conf", f"{folder}/system-clock.conf")
    try:
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", "smgw-wan")
        properties = machine.show("smgw-wan", "ProtectClock", "CapabilityBoundingSet", "SystemCallFilter")
        allowed = properties["SystemCallFilter"].split()
        assert (properties["ProtectClock"], properties["CapabilityBoundingSet"]) == ("no", "")
        assert "adjtimex" in allowed
        assert "settimeofday" not in allowed
    finally:
        machine.run("rm", "-rf", folder)
        machine.run("systemctl", "daemon-reload")


def test_the_reading_process_has_no_network_and_the_other_no_device(machine: Machine) -> None:
    host = machine.run("readlink", "/proc/1/ns/net")
    assert machine.run("readlink", f"/proc/{pid(machine)}/ns/net") != host
    assert machine.run("readlink", f"/proc/{pid(machine, 'smgw-wan')}/ns/net") == host
    inside = machine.run("nsenter", "-t", pid(machine, "smgw-wan"), "-m", "ls", "/dev").split()
    assert "ttyUSB0" not in inside


def test_a_dead_meter_does_not_fill_the_journal(machine: Machine) -> None:
    configure(machine, meter("roof", "/run/heads/roof"))
    machine.run("systemctl", "restart", "smgw-lmn")
    began = time.time()
    for _ in range(12):  # a plug that wobbles
        plug(machine, "roof", "/run/heads/roof")
        time.sleep(0.7)
        machine.try_run("systemctl", "stop", "roof")
    told = machine.journal("METER=roof", f"--since=@{began:.0f}")
    assert 1 <= len(told) <= 10, told


def test_no_traceback_reached_the_journal(machine: Machine) -> None:
    assert [line for line in machine.journal("_SYSTEMD_UNIT=smgw-lmn.service") if "Traceback" in line] == []
    assert [line for line in machine.journal("_SYSTEMD_UNIT=smgw-wan.service") if "Traceback" in line] == []
    refused = [line for line in machine.journal() if re.search(r"audit.*(SECCOMP|type=1326)", line)]
    assert refused == []
