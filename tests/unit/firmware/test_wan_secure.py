"""Delivery over TLS and in CMS: from the gateway's stores to a head-end that checks both."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from delivering import Gateway
from line_meter import until
from small_emp import Answer
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.outlets.cosem_xml import CosemXmlOptions
from smgw.store.wan.orders import place_order
from smgw.store.wan.records import ChannelKind, ChannelState, OrderKind
from smgw.store.wan.view import WanView
from smgw.trust import tls
from smgw.trust.chain import Moment
from smgw.trust.cms.profile import Profile
from smgw.wan.cosem_xml import connection, exchange
from smgw.wan.dispatcher import Dispatcher
from smgw.wan.outlet import open_outlet
from trial_pki import DAY, EMT, GATEWAY, NOW, OTHER_EMT, OTHER_GATEWAY
from trusted_emp import GATEWAY_ID, Trial, TrustedEmp

pytestmark = pytest.mark.usefixtures("quick")
OPTIONS = CosemXmlOptions(participant="Stadtwerke")


class Field:
    """A gateway and an EMP with their trust."""

    def __init__(self, folder: Path, emp: TrustedEmp, trial: Trial, options: CosemXmlOptions) -> None:
        self.emp, self.trial = emp, trial
        self.gateway = Gateway(folder / "stores", "http://127.0.0.1:1")
        self.profile = CommunicationProfile("demo", emp.url, forward=0, batch=10, timeout=60, options=options)
        self.outlet = open_outlet(GATEWAY_ID, self.profile, trial.surroundings())
        self.dispatcher: Dispatcher = self.gateway.dispatcher_to(self.profile, outlet=self.outlet)

    def deliver(self) -> ChannelState:
        """One more row, and one round; what the status shows after it."""
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
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


@pytest.fixture
def make(tmp_path: Path, trial: Trial) -> Iterator[Callable[..., Field]]:
    made: list[Field] = []

    def one(options: CosemXmlOptions = OPTIONS, **emp: object) -> Field:
        profile = {"bsi": Profile.BSI, "rfc5753": Profile.RFC5753}[options.cms_kdf]
        opening = None if options.cms == "off" else trial.opening(profile)
        head_end = TrustedEmp(**{"context": trial.server(), "opening": opening, **emp})
        head_end.__enter__()
        made.append(Field(tmp_path, head_end, trial, options))
        return made[-1]

    yield one
    for field in made:
        field.close()
        field.emp.__exit__()


def test_rows_arrive_over_tls_and_sealed(make: Callable[..., Field]) -> None:
    field = make()
    assert field.deliver().state is ChannelKind.IDLE
    assert field.deliver().state is ChannelKind.IDLE
    assert field.emp.numbers() == [1, 2]
    assert len(field.trial.opened) == 2
    assert field.emp.accepted == 1
    assert field.emp.secured[0].peer.subject.owner == str(GATEWAY_ID)


@pytest.mark.parametrize("kdf", ["bsi", "rfc5753"])
@pytest.mark.parametrize("cms", ["aes-128-gcm", "aes-128-cbc-cmac"])
def test_both_ciphers_and_both_derivations_are_opened(make: Callable[..., Field], cms: str, kdf: str) -> None:
    field = make(OPTIONS._replace(cms=cms, cms_kdf=kdf))
    assert field.deliver().state is ChannelKind.IDLE
    assert field.emp.numbers() == [1]


def test_tls_alone_sends_plain_documents(make: Callable[..., Field]) -> None:
    field = make(OPTIONS._replace(cms="off"))
    field.deliver()
    assert field.emp.numbers() == [1]
    assert field.emp.puts[0].headers["Content-Type"] == "application/vnd.de-dke-k461-cosem+xml"


def test_cms_alone_goes_over_plain_http(make: Callable[..., Field]) -> None:
    field = make(context=None)
    field.deliver()
    assert field.emp.numbers() == [1]
    assert field.trial.handshakes == []


def test_documents_with_the_next_rows_are_sealed_ahead_and_each_is_opened(make: Callable[..., Field]) -> None:
    field = make()
    field.gateway.append(35)
    field.gateway.append(35, meter="pv")
    field.deliver()
    assert sorted(field.emp.numbers()) == list(range(1, 72))
    assert len({one.digest for one in field.trial.opened}) == len(field.emp.puts) > 7


def test_a_new_connection_resumes_the_session(make: Callable[..., Field]) -> None:
    field = make()
    for _ in range(3):
        field.deliver()
        field.outlet.close()
    assert field.emp.numbers() == [1, 2, 3]
    assert field.trial.handshakes[-1] == (1, 2, 0)
    assert field.emp.resumed == [False, True, True]


def test_a_session_ends_after_48_hours_also_on_an_open_connection(
    make: Callable[..., Field], monkeypatch: pytest.MonkeyPatch
) -> None:
    field = make()
    field.deliver()
    field.deliver()
    assert field.emp.accepted == 1
    monkeypatch.setattr(tls, "SESSION_S", -1)
    field.deliver()
    assert field.emp.accepted == 2
    assert field.trial.handshakes[-1].full == 1  # noted at the end, or after a quarter of an hour
    field.outlet.close()
    assert field.trial.handshakes[-1] == (2, 0, 0)


def test_an_idle_connection_is_closed_with_a_goodbye(
    make: Callable[..., Field], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "IDLE_S", 0.3)
    field = make()
    field.deliver()
    until(lambda: field.emp.secured[0].fileno() == -1)
    field.deliver()
    assert field.emp.numbers() == [1, 2]
    assert field.emp.accepted == 2
    assert field.emp.errors == []  # an end without close_notify would be one


def test_the_host_is_named_in_the_handshake(make: Callable[..., Field], trial: Trial) -> None:
    named: list[object] = []
    context = trial.server()
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    field = make(context=context)
    field.deliver()
    assert named == ["localhost"]


# Faults. Each holds the channel, loses nothing, and delivery goes on by itself when it is mended.


def held(field: Field, *said: str) -> None:
    """The channel is held, with this in the status."""
    channel = field.deliver()
    assert channel.state is ChannelKind.HELD
    for part in said:
        assert part in channel.detail


def goes_on(field: Field) -> None:
    """All rows until now arrive, in order."""
    assert field.deliver().state is ChannelKind.IDLE
    assert field.emp.numbers() == list(range(1, field.gateway.seconds + 1))


def test_no_triple(make: Callable[..., Field], trial: Trial, tmp_path: Path) -> None:
    own = trial.gateway / "own"
    own.rename(tmp_path / "elsewhere")
    field = make()
    held(field, f"{own}: there are no certificates of one's own here", "smgw keys install")
    assert field.emp.accepted == 0
    (tmp_path / "elsewhere").rename(own)
    goes_on(field)


def test_a_clock_that_is_not_trusted(make: Callable[..., Field], trial: Trial) -> None:
    field = make()
    trial.now = Moment(NOW - 40 * 365 * DAY, trusted=False)
    held(field, "tls.crt" if field.profile.options.cms == "off" else "sig.crt", "is not trusted", "smgw status")
    assert field.emp.accepted == 0
    trial.now = Moment(NOW)
    goes_on(field)


@pytest.mark.parametrize(
    ("now", "said"), [(NOW + 731 * DAY, "it expired at"), (NOW - DAY, "it is valid from")], ids=["expired", "not yet"]
)
def test_an_own_certificate_that_is_not_valid_now(
    make: Callable[..., Field], trial: Trial, now: int, said: str
) -> None:
    field = make()
    trial.now = Moment(now)
    held(field, f"{trial.gateway}/own/1/", said, str(GATEWAY_ID))
    trial.now = Moment(NOW)
    goes_on(field)


def test_the_emp_s_certificates_are_expired(make: Callable[..., Field], trial: Trial) -> None:
    trial.forget_peer()
    trial.renew_emp(2, begins=NOW - 20 * DAY, days=10)
    field = make(context=trial.server(trial.emp / "own" / "2"))
    held(field, "Stadtwerke.EMT", "it expired at")
    trial.renew_emp(3)
    field.emp.context, field.emp.opening = trial.server(trial.emp / "own" / "3"), trial.opening(number=3)
    goes_on(field)


def test_the_emp_shows_an_expired_certificate(make: Callable[..., Field], trial: Trial) -> None:
    trial.renew_emp(2, begins=NOW - 20 * DAY, days=10)
    field = make(context=trial.server(trial.emp / "own" / "2"))
    held(field, "certificate TLS of Stadtwerke.EMT", "it expired at", "smgw-pki renew")
    field.emp.context = trial.server()
    goes_on(field)


def test_the_emp_s_certificate_is_revoked(make: Callable[..., Field], trial: Trial) -> None:
    trial.pki.revoke(trial.gateway, [trial.pki.triple(EMT).tls.certificate])
    field = make()
    held(field, "certificate TLS of Stadtwerke.EMT", "its authority revoked it at")
    trial.pki.revoke(trial.gateway, [])
    goes_on(field)


def test_the_recipient_is_revoked(make: Callable[..., Field], trial: Trial) -> None:
    trial.pki.revoke(trial.gateway, [trial.pki.triple(EMT).encryption.certificate])
    field = make()
    held(field, "certificate ENC of Stadtwerke.EMT", "its authority revoked it at")
    assert field.emp.accepted == 0
    trial.pki.revoke(trial.gateway, [])
    goes_on(field)


def test_the_own_certificate_is_revoked(make: Callable[..., Field], trial: Trial) -> None:
    trial.pki.revoke(trial.gateway, trial.pki.triple(GATEWAY))
    field = make()
    held(field, f"{trial.gateway}/own/1/sig.crt", "its authority revoked it at")
    trial.pki.revoke(trial.gateway, [])
    goes_on(field)


def test_a_certificate_that_is_revoked_ends_an_open_connection(make: Callable[..., Field], trial: Trial) -> None:
    field = make()
    field.deliver()
    trial.pki.revoke(trial.gateway, [trial.pki.triple(EMT).tls.certificate])
    held(field, "certificate TLS of Stadtwerke.EMT", "its authority revoked it at")
    held(field, "its authority revoked it at")  # its session is not resumed either
    assert len(field.emp.puts) == 1
    trial.pki.revoke(trial.gateway, [])
    goes_on(field)


def test_the_revocation_list_cannot_be_read(make: Callable[..., Field], trial: Trial) -> None:
    lists = trial.gateway / "authorities" / "sub.crl"
    right = lists.read_bytes()
    field = make()
    field.deliver()
    lists.write_bytes(b"no list")
    held(field, f"{lists}: ")
    lists.unlink()
    held(field, "no revocation list is here", "smgw-pki crl")
    lists.write_bytes(right)
    goes_on(field)


def test_the_revocation_list_is_outdated(make: Callable[..., Field], trial: Trial) -> None:
    field = make()
    trial.now = Moment(NOW + 91 * DAY)
    held(field, "its newest revocation list should have been replaced", "sub.crl")
    trial.now = Moment(NOW)
    goes_on(field)


def test_another_participant_answers(make: Callable[..., Field], trial: Trial) -> None:
    trial.pki.write_triple(trial.emp, OTHER_EMT, 7)
    field = make(context=trial.server(trial.emp / "own" / "7"))
    held(field, "certificate TLS of Netze.EMT", "it belongs to Netze, expected is Stadtwerke")
    field.emp.context = trial.server()
    goes_on(field)


def test_a_gateway_answers(make: Callable[..., Field], trial: Trial) -> None:
    trial.pki.write_triple(trial.emp, OTHER_GATEWAY, 7)
    field = make(context=trial.server(trial.emp / "own" / "7"))
    held(field, "it belongs to a gateway (SMGW), expected is an external market participant (EMT)")
    field.emp.context = trial.server()
    goes_on(field)


def test_another_certificate_of_the_emp_than_the_pinned_one(make: Callable[..., Field], trial: Trial) -> None:
    trial.pki.write_triple(trial.emp, EMT, 2, begins=NOW + 10)
    field = make(context=trial.server(trial.emp / "own" / "2"))
    held(field, "certificate TLS of Stadtwerke.EMT", "its fingerprint", "somebody else answers")
    trial.pki.write_peer(trial.gateway, EMT, 2, begins=NOW + 10)  # the new one is pinned; the old one stays
    field.emp.opening = trial.opening(number=2)
    goes_on(field)


def test_the_emp_is_of_another_pki(make: Callable[..., Field], trial: Trial) -> None:
    trial.pki.write_triple(trial.emp, EMT, 7, by=trial.pki.stranger)
    field = make(context=trial.server(trial.emp / "own" / "7"))
    held(field, "put its root", "into the trust folder")
    field.emp.context = trial.server()
    goes_on(field)


def test_no_certificate_of_the_emp(make: Callable[..., Field], trial: Trial) -> None:
    field = make(OPTIONS._replace(participant="Netze"))
    held(field, f"{trial.gateway}/peers: there is no certificate", "of Netze.EMT here", "`participant`")
    trial.pki.write_peer(trial.gateway, OTHER_EMT, 7)
    trial.pki.write_triple(trial.emp, OTHER_EMT, 7)
    field.emp.context = trial.server(trial.emp / "own" / "7")
    field.emp.opening = None
    assert field.deliver().state is not ChannelKind.HELD  # the small EMP has no key for what is sealed for Netze


def test_the_own_certificate_is_of_another_gateway(make: Callable[..., Field], trial: Trial) -> None:
    trial.pki.write_triple(trial.gateway, OTHER_GATEWAY)
    field = make()
    held(field, f"{trial.gateway}/own/1/sig.crt", f"it belongs to {OTHER_GATEWAY.owner}, expected is {GATEWAY_ID}")
    trial.pki.write_triple(trial.gateway, GATEWAY)
    goes_on(field)


@pytest.mark.parametrize("kind", ["tls", "sig"])
def test_a_key_that_does_not_belong_to_its_certificate(
    make: Callable[..., Field], trial: Trial, tmp_path: Path, kind: str
) -> None:
    trial.pki.write_triple(tmp_path, GATEWAY, 2)
    key = trial.gateway / "own" / "1" / f"{kind}.key"
    right = key.read_bytes()
    key.write_bytes((tmp_path / "own" / "2" / f"{kind}.key").read_bytes())
    field = make()
    held(field, "belong", "key")
    key.write_bytes(right)
    goes_on(field)


@pytest.mark.parametrize("kind", ["tls", "sig"])
def test_a_key_that_others_may_read(make: Callable[..., Field], trial: Trial, kind: str) -> None:
    key = trial.gateway / "own" / "1" / f"{kind}.key"
    key.chmod(0o640)
    field = make()
    held(field, f"{key}: has mode 0640, so others can use it", "chmod 600")
    key.chmod(0o600)
    goes_on(field)


@pytest.mark.parametrize("kind", ["tls", "sig"])
def test_a_key_that_is_not_there(make: Callable[..., Field], trial: Trial, kind: str) -> None:
    key = trial.gateway / "own" / "1" / f"{kind}.key"
    octets = key.read_bytes()
    key.unlink()
    field = make()
    held(field, f"{trial.gateway}/own")
    key.write_bytes(octets)
    key.chmod(0o600)
    goes_on(field)


def test_a_wrong_passphrase(make: Callable[..., Field], trial: Trial, tmp_path: Path) -> None:
    trial.pki.write_triple(trial.gateway, GATEWAY, passphrase=b"right")
    file = tmp_path / "passphrase"
    file.write_bytes(b"wrong\n")
    file.chmod(0o600)
    trial.passphrase = file
    field = make()
    held(field, f"{trial.gateway}/own/1/sig.key: ", "passphrase")
    file.write_bytes(b"right\n")
    goes_on(field)


def test_the_agent_does_not_answer(make: Callable[..., Field], trial: Trial) -> None:
    field = make()
    trial.run.joinpath("keys").mkdir(parents=True)
    dead = trial.run / "keys" / "keys.sock"
    dead.touch()
    held(field, "the agent of keys does not answer")
    assert field.emp.accepted == 0
    dead.unlink()
    goes_on(field)


def test_a_renewed_triple_is_taken_without_a_restart(make: Callable[..., Field], trial: Trial) -> None:
    field = make()
    field.deliver()
    trial.pki.write_triple(trial.gateway, GATEWAY, 2)
    trial.signers.append(trial.pki.triple(GATEWAY, 2))
    goes_on(field)
    assert [one.peer for one in field.emp.secured] == [
        trial.pki.triple(GATEWAY, number).tls.certificate for number in (1, 2)
    ]
    assert [one.signer for one in trial.opened] == [
        trial.pki.triple(GATEWAY, number).signature.certificate for number in (1, 2)
    ]


def test_a_triple_that_is_valid_later_is_not_taken_yet(make: Callable[..., Field], trial: Trial) -> None:
    trial.pki.write_triple(trial.gateway, GATEWAY, 2, begins=NOW + 10 * DAY)
    goes_on(make())


def test_the_newest_valid_certificate_of_the_emp_is_the_recipient(make: Callable[..., Field], trial: Trial) -> None:
    trial.renew_emp(2)
    trial.renew_emp(3, begins=NOW + DAY)
    field = make()
    field.emp.opening = trial.opening(number=2)
    goes_on(field)


def test_the_emp_does_not_know_the_gateway(make: Callable[..., Field], trial: Trial) -> None:
    field = make()
    lists = trial.emp / "authorities"
    right = {file: file.read_bytes() for file in lists.iterdir()}
    for file in right:
        file.unlink()
    trial.pki.__class__(trial.pki.curve).write(lists)
    field.emp.context = trial.server()
    held(field, "the peer does not know our certification authority")
    for file, octets in right.items():
        file.write_bytes(octets)
    field.emp.context = trial.server()
    goes_on(field)


def test_an_emp_that_takes_no_sealed_documents(make: Callable[..., Field]) -> None:
    field = make()
    field.emp.answer = lambda _: Answer(415)
    held(field, "the EMP does not take sealed documents (answers 415)", 'write cms = "off"')
    assert len(field.emp.puts) == 1
    field.emp.answer = lambda _: Answer()
    goes_on(field)


def test_an_emp_that_hangs_up_after_the_handshake_has_the_reason_in_its_log(
    make: Callable[..., Field], trial: Trial
) -> None:
    trial.pki.revoke(trial.emp, trial.pki.triple(GATEWAY))  # Python sends no alert for this
    field = make()
    channel = field.deliver()
    assert channel.state is ChannelKind.BACKING_OFF
    assert channel.detail == "no answer: the other side closed the connection; its log says why"
    trial.pki.revoke(trial.emp, [])
    goes_on(field)


def test_another_fault_of_a_channel_that_is_held_is_logged(
    make: Callable[..., Field], trial: Trial, caplog: pytest.LogCaptureFixture
) -> None:
    field = make()
    trial.now = Moment(NOW, trusted=False)
    held(field, "is not trusted")
    held(field, "is not trusted")
    trial.now = Moment(NOW + 60)
    trial.pki.revoke(trial.gateway, trial.pki.triple(EMT))
    held(field, "its authority revoked it at")
    told = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert ["is not trusted" in told[0], "revoked" in told[1], len(told)] == [True, True, 2]


def test_plain_http_to_a_public_address(make: Callable[..., Field], monkeypatch: pytest.MonkeyPatch) -> None:
    field = make(OPTIONS._replace(cms="off"), context=None)
    monkeypatch.setattr(connection, "is_public", lambda _: True)
    held(field, "127.0.0.1: it has the address 127.0.0.1, which is not private, and http has no encryption")
    monkeypatch.undo()
    goes_on(field)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(403, b"not accepted"), "answers 403: not accepted; its log says why"),
        (Answer(400), "answers 400; its log"),
    ],
    ids=["403", "400"],
)
def test_an_emp_that_cannot_open_what_is_sealed(make: Callable[..., Field], answer: Answer, said: str) -> None:
    """It gives no reason. No row is quarantined for it, though others were taken in the same round."""
    field = make()
    field.gateway.append(25)
    field.emp.answer = lambda _: answer if len(field.emp.puts) > 1 else Answer()
    channel = field.deliver()
    with WanView.open(field.gateway.directory) as view:
        assert view.set_aside_counts() == {}
    assert said in channel.detail
    field.emp.answer = lambda _: Answer()
    place_order(field.gateway.directory, None, OrderKind.DELIVER)
    field.dispatcher._ordered()
    goes_on(field)


def test_an_emp_without_tls(make: Callable[..., Field], trial: Trial) -> None:
    field = make()
    context, field.emp.context = field.emp.context, None
    held(field, "the peer does not speak TLS")
    field.emp.context = context
    goes_on(field)
