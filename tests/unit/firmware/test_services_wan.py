"""The WAN process's main, without the process: what a changed configuration changes."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from line_meter import until
from smgw.cosem import DeviceId
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.gateway import Configuration, GatewayProfile
from smgw.reports.time_servers import refusals
from smgw.services.wan import WanService
from smgw.store import paths
from smgw.store.wan.view import WanView

GATEWAY = GatewayProfile(device_id=DeviceId.parse("ESMG0000000001"), system_clock=False)
LAB, UTILITY = (CommunicationProfile(name=name, url="http://127.0.0.1:1") for name in ("lab", "utility"))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[WanService]:
    made = WanService(Configuration(gateway=GATEWAY, meters=(), emps=(LAB, UTILITY)), tmp_path)
    made.start()
    yield made
    assert made.stop() == []


def test_it_is_ready_at_once_and_says_whom_it_serves(service: WanService) -> None:
    assert service.is_ready()
    assert service.ready_text().startswith("2 EMPs, store ")
    assert service.status().startswith("2 EMPs: lab ")
    assert service.status().endswith("; time not synchronised")
    assert [worker.name for worker in service.workers()] == ["delivery lab", "delivery utility"]


def test_only_what_changed_begins_anew(service: WanService, caplog: pytest.LogCaptureFixture) -> None:
    lab = service.workers()[0]
    changed = Configuration(
        gateway=GATEWAY._replace(ntp=("127.0.0.1:9",)), meters=(), emps=(LAB, UTILITY._replace(batch=7))
    )
    assert service.take(changed) == "EMP utility is served anew; time servers: a new source of time"
    assert service.workers()[0] is lab
    assert [worker.name for worker in service.workers()] == ["delivery lab", "delivery utility", "time servers"]
    assert service.take(changed) == "no EMP changed"
    caplog.clear()
    assert service.take(Configuration(gateway=GATEWAY, meters=())).startswith("EMP lab is served no more")
    assert caplog.text.count("no time source configured") == 1


def test_each_time_server_over_tls_has_a_thread_and_says_what_it_lacks(service: WanService, tmp_path: Path) -> None:
    servers = ("tls://127.0.0.1:9", "127.0.0.1:9", "tls://127.0.0.1:10")
    service.take(Configuration(gateway=GATEWAY._replace(ntp=servers), meters=()))
    assert [worker.name for worker in service.workers()] == ["time servers", servers[0], servers[2], "certificates"]

    def told() -> dict[str, str]:
        with WanView.open(paths.wan_directory(tmp_path)) as view:
            return refusals(view, servers)

    until(lambda: {servers[0], servers[2]} <= told().keys())
    assert "there are no certificates of one's own here" in told()[servers[0]]


def test_ends_of_certificates_are_watched_while_an_emp_needs_some(service: WanService) -> None:
    https = LAB._replace(url="https://127.0.0.1:1")
    changes = service.take(Configuration(gateway=GATEWAY, meters=(), emps=(https, UTILITY)))
    assert changes == "EMP lab is served anew; ends of certificates are told"
    assert "certificates" in [worker.name for worker in service.workers()]
    changes = service.take(Configuration(gateway=GATEWAY, meters=(), emps=(LAB, UTILITY)))
    assert changes == "EMP lab is served anew; ends of certificates are told no more"


def test_a_taken_configuration_is_in_its_log_book(service: WanService, tmp_path: Path) -> None:
    service.taken("no EMP changed")
    with WanView.open(paths.wan_directory(tmp_path)) as view:
        assert [entry.event for entry in view.log_entries(1, "system")] == ["configuration-taken"]


def test_a_drain_ends_every_delivery(service: WanService) -> None:
    assert service.drain(5)
    for worker in service.workers():
        assert worker.join(time.monotonic() + 20)
    assert service.drained()
