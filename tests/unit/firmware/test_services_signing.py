"""From readings to the head-end: what leaves at a period's end is signed, and the consumer's log book tells of it."""

from pathlib import Path

from captures_made import DEVICE, MIDNIGHT, SECOND, capture, energy
from registering import Clock
from small_emp import SmallEmp
from smgw.cli import main
from smgw.cosemxml.document import encode
from smgw.cosemxml.value_signatures import SIGNATURES, values_of
from smgw.metering.evaluations import Evaluations
from smgw.metering.period_ends import PeriodEnds
from smgw.metering.registrar import Registrar
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import load
from smgw.services.sent_log import SentLog
from smgw.services.wan import WanService
from smgw.store import paths
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView
from trial_pki import session_pki
from trusted_emp import GATEWAY_ID

QUARTER = 900 * SECOND
TEXT = """\
[gateway]
device_id = "{gateway}"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/null"
[[emp]]
name = "lab"
url = "{url}"
insecure = true
[[evaluation]]
name = "bill"
taf = 1
meters = ["house"]
consumer = "anna"
zone = "UTC"
emps = ["lab"]
"""


def read(state: Path, configuration: Configuration) -> None:
    """Two hours around the end of a month, as the LMN process reads them."""
    with LmnStore.open(paths.lmn_directory(state), ballast_bytes=0) as store:
        clock = Clock()
        evaluations = Evaluations(store, clock.stamp)
        evaluations.configure(configuration.evaluations)
        store.evaluate_with(evaluations)
        registrar = Registrar(store, clock, {"house": 900})
        registrar.signs = PeriodEnds(configuration.evaluations)
        for place in range(-4, 5):
            clock.now_us = MIDNIGHT + place * QUARTER
            one = capture(clock.now_us, energy(1000 + place))
            registrar.capture(one._replace(stamp=clock.stamp()))
            registrar.run_once(0)


def test_what_leaves_at_a_periods_end_is_signed_and_logged(tmp_path: Path) -> None:
    session_pki().write_gateway(paths.trust_directory(tmp_path))
    file = tmp_path / "gateway.toml"
    with SmallEmp() as emp:
        file.write_text(TEXT.format(gateway=GATEWAY_ID, url=emp.url))
        configuration = load(file)
        read(tmp_path, configuration)
        WanService(configuration, tmp_path).deliver_once(["lab"], 60)
        documents = [put.document for put in emp.puts]
    signed = [
        (document.device != DEVICE, value.register.obis, document.rows[0].target_time_us)
        for document in documents
        for value in values_of(document)
        if value.signature
    ]
    assert signed, "the reading at the end of the month"
    assert {target for _, _, target in signed} == {MIDNIGHT}
    for place, document in enumerate(documents):
        path = tmp_path / f"{place}.xml"
        path.write_bytes(encode(document))
        has = SIGNATURES in [register.column for register in document.registers]
        assert main(["verify", str(path), "--state", str(tmp_path)]) == (0 if has else 1)
    with LmnView.open(paths.lmn_directory(tmp_path)) as lmn:
        consumer = [entry.event for entry in lmn.log_entries(99, "consumer anna")]
    assert consumer[0] == "profile-installed"
    with WanStore.open(paths.wan_directory(tmp_path)) as wan:
        SentLog(wan, configuration.consumers, Clock().stamp).enter()
    with WanView.open(paths.wan_directory(tmp_path)) as view:
        entries = view.log_entries(99, "consumer anna")
    assert {entry.event for entry in entries} == {"values-sent"}
    assert sum(int(entry.subject.split()[0]) for entry in entries) == sum(len(one.rows) for one in documents)
