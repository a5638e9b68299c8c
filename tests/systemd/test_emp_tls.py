"""The head-end as a service with TLS for gateways and people, on addresses that other computers reach."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from emp_trust import CMS, OURS, Trial
from machine import Machine, emp_of, tar_of

OPTIONS = (
    "--listen 0.0.0.0:8443 --trust /var/lib/emp/trust --people 0.0.0.0:8081 --password /var/lib/emp/people.password "
    "--people-certificate /var/lib/emp/tls/people.crt --people-key /var/lib/emp/tls/people.key"
)
AS_EMP = ("runuser", "-u", "smgw-emp", "--")
#: A gateway of the installed package delivers one sealed document.
DELIVER = f"""\
import http.client, sys, time
from pathlib import Path
from smgw.cosem.device_id import DeviceId
from smgw.cosemxml import document
from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.chain import Expected, Moment
from smgw.trust.cms.message import seal
from smgw.trust.folder import AuthoritiesFolder
from smgw.trust.keys.pem import PemFile, PemKeys
from smgw.trust.names import Role
from smgw.trust.tls import Own, Peer, client_context

trust, emp = Path("/root/gateway"), Path("/root/emp.crt")
own = trust / "own/1"
wanted = Expected(Purpose.TLS, frozenset({{Role.EMT}}), "brainpoolP256r1")
peer = Peer(wanted, AuthoritiesFolder(trust / "authorities"), lambda: Moment(int(time.time())))
context = client_context(Own(own / "tls.crt", own / "tls.key"), peer)
gateway, device = DeviceId.parse("{OURS.owner}"), DeviceId.parse("1EMH0005347109")
status = document.StatusWord(5, 0x10104)
rows = (document.Row(1, 1_700_000_000_000_000, None, True, status, ()),)
body = document.encode(document.Document(gateway, "ab" * 16, device, (), rows))
keys = PemKeys.read([PemFile(own / "sig.key")])
sealed = seal(body, keys, Certificate.from_file(own / "sig.crt"), Certificate.from_file(emp), compress=True)
connection = http.client.HTTPSConnection("127.0.0.1", 8443, context=context, timeout=60)
connection.request("PUT", f"/cosem/ldevs/{{device.uri}}", sealed, {{"Content-Type": "{CMS}"}})
print(connection.getresponse().status)
"""


@pytest.fixture(scope="module")
def machine(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tar_of("bookworm"), tmp_path_factory.mktemp("machine")) as machine:
        for package in (deb, emp_of(deb)):
            machine.copy(package, f"/root/{package.name}")
            machine.run("dpkg", "-i", f"/root/{package.name}")
        trial = Trial(tmp_path_factory.mktemp("trial"))
        trial.pki.write_emp(machine.root / "var/lib/emp/trust", gateways=(OURS,))
        trial.pki.write_gateway(machine.root / "root/gateway", OURS)
        machine.copy(machine.root / "var/lib/emp/trust/own/1/enc.crt", "/root/emp.crt")
        machine.run("chown", "-R", "smgw-emp:smgw-emp", "/var/lib/emp")
        machine.run(*AS_EMP, "emp", "password", "/var/lib/emp/people.password", given="lorem ipsum\n")
        machine.run(*AS_EMP, "emp", "certificate", "--out", "/var/lib/emp/tls", "--host", "emp.example.org")
        machine.write("/etc/default/smgw-emp", f'EMP_OPTIONS="{OPTIONS}"\n')
        machine.run("systemctl", "restart", "emp")
        yield machine


def test_a_gateway_delivers_a_sealed_document(machine: Machine) -> None:
    machine.until(lambda: any("https://0.0.0.0:8443" in line for line in machine.journal("-u", "emp")))
    assert machine.run("/usr/bin/python3", "-c", DELIVER).split() in (["200"], ["201"])
    assert "1 rows" in machine.run("emp", "status", "--db", "/var/lib/emp/emp.db")


def test_people_read_over_tls_with_the_password(machine: Machine) -> None:
    ask = (
        "import base64, ssl, urllib.request as u; c = ssl.create_default_context(cafile='/var/lib/emp/tls/people.crt');"
        "r = u.Request('https://127.0.0.1:8081/api/gateways');"
        "r.add_header('Authorization', 'Basic ' + base64.b64encode(b'x:lorem ipsum').decode());"
        "print(u.urlopen(r, context=c).read().decode())"
    )
    assert f'"subject":"{OURS.common_name}"' in machine.run("/usr/bin/python3", "-c", ask)


def test_plain_http_for_others_is_refused_by_the_service(machine: Machine) -> None:
    refused = machine.try_run(*AS_EMP, "emp", "serve", "--listen", "0.0.0.0:8090", "--db", "/var/lib/emp/other.db")
    assert refused.returncode == 1
    assert "without TLS: others can read and forge it" in refused.stderr
