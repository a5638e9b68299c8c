"""`smgw han` under its units: the port of systemd, its own user, accounts that root adds, and nothing without [han]."""

import re

import pytest
from machine import Machine

CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB0"
[[consumer]]
name = "anna"
meters = ["house"]
"""
HAN = '[han]\nlisten = ":443"\n'
#: Status and body of a path; with a name and a password it answers the first challenge.
CLIENT = """\
import hashlib, http.client, re, ssl, sys
path, name, password = sys.argv[1:]
context = ssl._create_unverified_context()

def ask(**headers):
    connection = http.client.HTTPSConnection("127.0.0.1", timeout=60, context=context)
    connection.request("GET", path, headers={"Accept": "application/json", **headers})
    answer = connection.getresponse()
    return answer, answer.read().decode()

def hashed(*parts):
    return hashlib.sha256(":".join(parts).encode()).hexdigest()

answer, body = ask()
if answer.status == 401 and password:
    told = dict(re.findall(r'(\\w+)="([^"]*)"', answer.msg.get_all("WWW-Authenticate")[0]))
    secret, asked = hashed(name, told["realm"], password), hashed("GET", path)
    response = hashed(secret, told["nonce"], "00000001", "abc", "auth", asked)
    fields = {**told, "username": name, "uri": path, "cnonce": "abc", "response": response}
    line = ", ".join(f'{key}="{value}"' for key, value in fields.items() if key != "qop")
    answer, body = ask(Authorization=f"Digest {line}, qop=auth, nc=00000001")
print(answer.status, body)
"""


@pytest.fixture(autouse=True)
def _configured(machine: Machine) -> None:
    machine.write("/srv/client.py", CLIENT)
    machine.write("/etc/smgw/gateway.toml", CONFIGURATION + HAN)
    machine.run("systemctl", "reset-failed")
    machine.run("mkdir", "-p", "/etc/avahi/services")
    machine.run("systemctl", "restart", "smgw.target")
    machine.until(lambda: machine.show("smgw-lmn", "ActiveState")["ActiveState"] == "active")


def _ask(machine: Machine, path: str, name: str = "", password: str = "") -> str:
    return machine.run("python3", "/srv/client.py", path, name, password)


def _answers(machine: Machine) -> None:
    machine.until(lambda: machine.show("smgw-han", "ActiveState")["ActiveState"] == "active")


def test_it_answers_at_the_port_of_systemd_as_its_own_user(machine: Machine) -> None:
    _answers(machine)
    found = machine.show("smgw-han", "User", "Group", "Type", "CapabilityBoundingSet")
    assert found == {"User": "smgw-han", "Group": "smgw", "Type": "notify", "CapabilityBoundingSet": ""}
    assert _ask(machine, "/smgw/").startswith("401")
    listed = machine.run("sh", "-c", "stat -c '%n %U %G %a' /var/lib/smgw/han /var/lib/smgw/han/*").splitlines()
    rights = {line.split()[0].rpartition("/")[2]: line.split(" ", 1)[1] for line in listed}
    assert rights["han"] == "smgw-han smgw 2750"
    assert rights["tls.key"].startswith("smgw-han")
    assert rights["tls.key"].endswith("600")
    assert rights["han.db"] == "smgw-han smgw 640"


def test_a_consumer_whom_root_adds_logs_in_at_once(machine: Machine) -> None:
    _answers(machine)
    machine.try_run("smgw", "consumer", "remove", "anna")
    told = machine.run("smgw", "consumer", "add", "anna")
    found = re.search(r"password  (\S+)", told)
    assert found is not None
    assert _ask(machine, "/smgw/con/v1/", "anna", found[1]).startswith("200")
    assert machine.run("stat", "-c", "%U", "/var/lib/smgw/han/han.db").strip() == "smgw-han"


def test_the_status_shows_the_fingerprint_that_the_journal_told(machine: Machine) -> None:
    _answers(machine)
    shown = re.search(r"SHA-256: ([0-9A-F:]{95})", machine.try_run("smgw", "status").stdout)
    assert shown is not None
    assert any(shown[1] in text for text in machine.journal("_SYSTEMD_UNIT=smgw-han.service"))


def test_avahi_is_told_while_the_port_is_open(machine: Machine) -> None:
    _answers(machine)
    machine.until(lambda: machine.try_run("test", "-e", "/etc/avahi/services/smgw.service").returncode == 0)
    machine.run("systemctl", "stop", "smgw.target")
    machine.until(lambda: machine.show("smgw-han.socket", "ActiveState")["ActiveState"] == "inactive")
    machine.until(lambda: machine.try_run("test", "-e", "/etc/avahi/services/smgw.service").returncode != 0)


def test_without_the_table_no_port_is_open_and_no_unit_has_failed(machine: Machine) -> None:
    machine.run("systemctl", "stop", "smgw.target")
    machine.write("/etc/smgw/gateway.toml", CONFIGURATION)
    machine.run("systemctl", "start", "smgw.target")
    machine.until(lambda: machine.show("smgw-lmn", "ActiveState")["ActiveState"] == "active")
    machine.until(lambda: machine.show("smgw-han-door", "ActiveState")["ActiveState"] == "inactive")
    for unit in ("smgw-han.socket", "smgw-han.service"):
        assert machine.show(unit, "ActiveState")["ActiveState"] == "inactive"
    assert machine.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "smgw*").strip() == ""
