"""Delivery with keys of the agent: if it stops, or its token is pulled out, the channel is held and no row is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from delivering import Gateway
from keys_agent import serving, short_directory
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.outlets.cosem_xml import CosemXmlOptions
from smgw.store.wan.records import ChannelKind, ChannelState
from smgw.store.wan.view import WanView
from smgw.trust.keys import pkcs11
from smgw.trust.keys.folder import FolderKeys
from smgw.trust.keys.token import TokenKeys
from smgw.wan.outlet import open_outlet
from soft_token import MODULE, SoftToken
from trusted_emp import GATEWAY_ID, Trial, TrustedEmp

pytestmark = pytest.mark.usefixtures("quick")


class Field:
    """A gateway that cannot read its own key for signatures, and an EMP."""

    def __init__(self, folder: Path, trial: Trial, emp: TrustedEmp) -> None:
        self.emp = emp
        self.gateway = Gateway(folder / "stores", "http://127.0.0.1:1")
        options = CosemXmlOptions(participant="Stadtwerke")
        profile = CommunicationProfile("demo", emp.url, forward=0, batch=10, timeout=60, options=options)
        outlet = open_outlet(GATEWAY_ID, profile, trial.surroundings())
        self.dispatcher = self.gateway.dispatcher_to(profile, outlet=outlet)

    def deliver(self) -> ChannelState:
        """One more row, and one round."""
        self.gateway.append(1)
        self.dispatcher.deliver_round()
        with WanView.open(self.gateway.directory) as view:
            (channel,) = view.channels()
        return channel

    def close(self) -> None:
        for one in (self.dispatcher, self.gateway.dispatcher):
            one.stop()
            one.run()
        self.gateway.close()


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    with short_directory() as run:
        made = Trial(tmp_path)
        made.run = run
        yield made


@pytest.fixture
def field(tmp_path: Path, trial: Trial) -> Iterator[Field]:
    with TrustedEmp(context=trial.server(), opening=trial.opening()) as emp:
        made = Field(tmp_path, trial, emp)
        yield made
        made.close()


def test_an_agent_that_stops_holds_the_channel_and_no_row_is_lost(tmp_path: Path, trial: Trial, field: Field) -> None:
    agents = tmp_path / "agent"
    trial.pki.write_triple(agents)
    (trial.gateway / "own/1/sig.key").unlink()
    with serving(trial.run, FolderKeys(agents)):
        assert field.deliver().state is ChannelKind.IDLE
    held = field.deliver()
    assert held.state is not ChannelKind.IDLE
    assert "systemctl start smgw-keys" in str(held)
    assert field.emp.numbers() == [1]
    with serving(trial.run, FolderKeys(agents)):
        assert field.deliver().state is ChannelKind.IDLE
    assert field.emp.numbers() == [1, 2, 3]


def test_a_token_that_is_pulled_out_holds_the_channel_and_no_row_is_lost(
    tmp_path: Path, trial: Trial, field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pkcs11, "_REFUSED", set())
    token = SoftToken(tmp_path / "hsm", monkeypatch)
    token.take_key(trial.gateway / "own/1/sig.key", "smgw-sig-1", "01")
    (trial.gateway / "own/1/sig.key").unlink()
    keys = TokenKeys(MODULE, token.label, token.pin_file)
    with serving(trial.run, keys):
        assert field.deliver().state is ChannelKind.IDLE
        token.pull_out()
        held = field.deliver()
        assert held.state is not ChannelKind.IDLE
        assert "token smgw" in str(held)
        token.plug_in()
        assert field.deliver().state is ChannelKind.IDLE
    keys.close()
    assert field.emp.numbers() == [1, 2, 3]
