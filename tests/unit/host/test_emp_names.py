"""A page of another site cannot deliver to a head-end of this computer under a name of its own (DNS rebinding)."""

import emp_process
import pytest
from emp.cli import main
from emp.web.guard import Guard
from emp.web.listener import Address
from emp.web.server import Settings
from emp_process import GATEWAY, PATH, XML, content, row
from smgw.cosemxml import document

BODY = document.encode(content(row(1, 5)))
NOTICE = f"/cosem/ldevs/{GATEWAY.uri}/objects/7-0100636200ff/methods/1"
FOREIGN = [
    "evil.example",
    "evil.example:8080",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "192.0.2.7",
    "[::2]",
]
OWN = ["127.0.0.1", "127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080"]


@pytest.fixture(scope="module")
def emp(tmp_path_factory):
    settings = Settings(names=("Emp.example",))
    with emp_process.inside(tmp_path_factory.mktemp("emp") / "emp.db", settings) as running:
        yield running


@pytest.mark.parametrize("host", FOREIGN)
def test_a_document_and_a_notice_under_a_foreign_name_are_refused_with_advice(emp, host):
    before = emp.ask("GET", "/api/keys").body
    answer = emp.ask("PUT", PATH, BODY, Host=host, Content_Type=XML)
    assert answer.status == 403
    assert "emp serve --name" in answer.text
    assert emp.ask("POST", NOTICE, b"", Host=host).status == 403
    assert emp.ask("GET", "/api/keys").body == before


@pytest.mark.parametrize("host", [*OWN, "emp.example:443"])
def test_a_gateway_of_this_computer_and_a_named_proxy_deliver(emp, host):
    assert emp.ask("PUT", PATH, BODY, Host=host, Content_Type=XML).status in (200, 201)
    assert emp.ask("POST", NOTICE, b"", Host=host).status == 200
    assert emp.ask("GET", PATH, Host=host).status == 200


class Request:
    """A request to an address of a listener."""

    def __init__(self, local, host):
        self._local = local
        self.headers = {"Host": host}

    def get_extra_info(self, _):
        return self._local


@pytest.mark.parametrize("listens", [Address("0.0.0.0", 8080), Address("192.0.2.7", 8080), Address("::", 8080)])
def test_a_listener_that_others_reach_takes_deliveries_under_any_name(listens):
    guard = Guard()
    guard.listens(*listens)
    for local in ("192.0.2.7", "127.0.1.1"):
        guard.refuse_other_names(Request((local, 8080), "emp.example"))


def test_the_command_takes_names(monkeypatch, tmp_path):
    found = []
    monkeypatch.setattr("emp.web.server.serve", lambda *arguments: found.append(arguments[-1]) or _nothing())
    command = ["serve", "--db", str(tmp_path / "emp.db"), "--listen", "127.0.0.1:0"]
    assert main([*command, "--name", "a.example", "--name", "b.example"]) == 0
    assert found[0].names == ("a.example", "b.example")


async def _nothing():
    """Serve nobody."""
