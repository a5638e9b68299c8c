"""High level security is not reflected: not our title, not another meter's, one opening for a secret at a time."""

import pytest
from dlms_line_meter import DlmsMeter
from dlms_pair import CLIENT, Model, Pair
from line_meter import Inbox, driver, running, until, watch
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.errors import AuthenticationError
from smgw.dlms.meter.access import Admission
from smgw.dlms.meter.server import Server
from smgw.dlms.security.hls import Hashed
from smgw.dlms.security.secret import Secret
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Failed
from smgw.lmn.dlms.security import Security
from smgw.lmn.dlms.turn import turn
from smgw.lmn.errors import PollError, StoppedError
from smgw.profiles.dlms import Authentication, DlmsProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets

HASHED = (Mechanism.HIGH_MD5, Mechanism.HIGH_SHA1, Mechanism.HIGH_SHA256)
OURS, METERS = b"SMGW0001", b"UTBMTR01"


def opened(mechanism: Mechanism, meters: bytes, pinned: bytes = b"") -> list[object]:
    """The events of an association with a meter of this title."""
    secret = Secret(b"shared by many")
    client = Client(Hashed(mechanism, secret), title=OURS, peer_title=pinned)
    server = Server(Model(), CLIENT, Admission(Hashed(mechanism, secret), title=meters))
    return list(Pair(client, server).run(client.associate()))


@pytest.mark.parametrize("mechanism", HASHED)
def test_a_meter_with_our_own_title_is_refused(mechanism: Mechanism) -> None:
    (failed,) = opened(mechanism, OURS)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, AuthenticationError)
    assert "our own system title" in str(failed.error)


@pytest.mark.parametrize("mechanism", HASHED)
@pytest.mark.parametrize(("pinned", "kind"), [(METERS, Associated), (b"", Associated), (b"UTBMTR02", Failed)])
def test_where_the_title_of_a_meter_is_known_no_other_is_accepted(
    mechanism: Mechanism, pinned: bytes, kind: type
) -> None:
    (event,) = opened(mechanism, METERS, pinned)
    assert isinstance(event, kind)


def test_a_title_that_would_let_titles_and_challenges_change_places_is_refused() -> None:
    (failed,) = opened(Mechanism.HIGH_SHA256, OURS + METERS)
    assert isinstance(failed, Failed)
    assert "it must have 8" in str(failed.error)


@pytest.mark.parametrize(
    ("authentication", "takes_turns"),
    [
        (Authentication.HIGH_AES, True),
        (Authentication.HIGH_MD5, True),
        (Authentication.HIGH_SHA1, True),
        (Authentication.HIGH_SHA256, True),
        (Authentication.LOW, False),
        (Authentication.HIGH_GMAC, False),
        (Authentication.HIGH_ECDSA, False),
    ],
)
def test_only_what_could_be_reflected_takes_turns(authentication: Authentication, takes_turns: bool) -> None:
    profile = MeterProfile(
        name="flat", protocol="dlms", port="/dev/null", options=DlmsProfile(authentication=authentication)
    )
    assert bool(Security(profile, Secrets(password=b"shared by many"), None).secret_id) is takes_turns


def waiting(secret_id: bytes, stopping: bool = False) -> None:
    with turn(secret_id, 0.2, lambda: stopping, lambda: None):
        pass


def test_one_association_at_a_time_is_opened_with_a_secret() -> None:
    with turn(b"one", 0.2, lambda: False, lambda: None):
        waiting(b"another")
        waiting(b"")
        with pytest.raises(PollError, match="they take turns"):
            waiting(b"one")
        with pytest.raises(StoppedError):
            waiting(b"one", stopping=True)
    waiting(b"one")


def test_a_meter_is_not_authenticated_while_another_one_with_its_secret_is() -> None:
    secret = b"shared by many"
    profile = MeterProfile(
        name="flat", protocol="dlms", port="", interval=1, timeout=1, retries=0,
        options=DlmsProfile(client=1, authentication=Authentication.HIGH_MD5),
    )  # fmt: skip
    admissions = {1: Admission(Hashed(Mechanism.HIGH_MD5, Secret(secret)))}
    inbox = Inbox()
    with DlmsMeter(admissions=admissions) as line:
        made = driver(profile._replace(port=line.url), inbox=inbox, secrets=Secrets(password=secret))
        other = Security(profile, Secrets(password=secret), None)
        with turn(other.secret_id, 0.2, lambda: False, lambda: None), running(made):
            until(lambda: watch(made).last_refusal)
            assert "they take turns" in watch(made).last_refusal
            assert not inbox.captures
        made = driver(profile._replace(port=line.url), inbox=inbox, secrets=Secrets(password=secret))
        with running(made):
            until(lambda: inbox.captures)
