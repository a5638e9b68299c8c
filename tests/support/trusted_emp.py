"""A small head-end with TLS and CMS, and the gateway's side of it: folders of one trial PKI."""

import ssl
from collections.abc import Callable
from pathlib import Path

from small_emp import SmallEmp
from smgw.cosem import DeviceId
from smgw.profiles.keys import KeysProfile
from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.chain import Expected, Moment
from smgw.trust.cms.message import Opened, open_sealed
from smgw.trust.cms.profile import Profile
from smgw.trust.folder import AuthoritiesFolder
from smgw.trust.keys import Keys
from smgw.trust.keys.folder import FolderKeys
from smgw.trust.keys.holder import open_keys
from smgw.trust.keys.private_file import read_passphrase
from smgw.trust.names import Role, Subject
from smgw.trust.tls import Context, Own, Peer, server_context
from smgw.wan.outlet import Handshakes, Surroundings
from trial_pki import EMT, GATEWAY, NOW, HeldTriple, TrialPki, session_pki

HANDSHAKE_S = 20
GATEWAY_ID = DeviceId.parse(GATEWAY.owner)


class TrustedEmp(SmallEmp):
    """Speaks TLS with `context`, and opens sealed documents with `opening`."""

    def __init__(self, context: ssl.SSLContext | None = None, opening: Callable[[bytes], bytes] | None = None) -> None:
        self.context = context
        self.opening = opening
        self.secured: list[ssl.SSLSocket] = []
        self.resumed: list[bool] = []
        self.faults: list[Exception] = []
        super().__init__()
        if context is not None:
            self.url = self.url.replace("http:", "https:").replace("127.0.0.1", "localhost")

    def prepare(self, connection: object) -> object:
        """The connection with TLS, after its handshake."""
        if self.context is None:
            return connection
        connection.settimeout(HANDSHAKE_S)  # type: ignore[attr-defined]
        try:
            secured = self.context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False)  # type: ignore[arg-type]
        except OSError as error:
            self.faults.append(error)
            raise
        self.secured.append(secured)
        self.resumed.append(bool(secured.session_reused))
        self.connections.append(secured)  # the plain one is no longer of use
        return secured

    def plain(self, headers: object, octets: bytes) -> bytes:
        if self.opening is None:
            return octets
        assert headers["Content-Type"] == "application/vnd.de-dke-k461-cosem+xml;encap=cms-tr03109"  # type: ignore[index]
        assert headers["Content-Encoding"] is None  # type: ignore[index]
        return self.opening(octets)


class Trial:
    """The trust folders of a gateway and an EMP, and what the tests do to them."""

    def __init__(self, folder: Path, curve: str = "brainpool") -> None:
        self.pki: TrialPki = session_pki(curve)
        self.gateway = self.pki.write_gateway(folder / "state" / "trust")
        self.emp = self.pki.write_emp(folder / "emp")
        self.curve = self.pki.curves[2]
        self.now = Moment(NOW + 60)
        self.run = folder / "run"
        self.passphrase: Path | None = None
        self.handshakes: list[Handshakes] = []
        self.opened: list[Opened] = []

    def surroundings(self) -> Surroundings:
        def passphrase() -> bytes:
            return read_passphrase(self.passphrase) if self.passphrase else b""

        def keys() -> Keys:
            return open_keys(self.run, self.gateway, KeysProfile(passphrase_file=self.passphrase))

        return Surroundings(self.gateway, lambda: self.now, keys, passphrase, self.handshakes.append)

    def server(self, own: Path | None = None) -> Context:
        folder = own or self.emp / "own" / "1"
        expected = Expected(Purpose.TLS, frozenset({Role.SMGW}), curve_name(self.pki))
        authorities = AuthoritiesFolder(self.emp / "authorities")
        return server_context(
            Own(folder / "tls.crt", folder / "tls.key"), Peer(expected, authorities, lambda: Moment(NOW))
        )

    def opening(self, profile: Profile = Profile.BSI, number: int = 1) -> Callable[[bytes], bytes]:
        """Opens what this gateway sealed for the EMP."""

        def opened(octets: bytes) -> bytes:
            signers = [one.signature.certificate for one in self.signers]
            own = Certificate.from_file(self.emp / "own" / str(number) / "enc.crt")
            self.opened.append(open_sealed(octets, FolderKeys(self.emp), own, signers, profile=profile))
            return self.opened[-1].payload

        self.signers: list[HeldTriple] = [self.pki.triple(GATEWAY)]
        return opened

    def renew_emp(self, number: int = 2, **terms: object) -> None:
        """A newer triple of the EMP, at both sides."""
        terms = {"begins": NOW + 10, **terms}
        self.pki.write_triple(self.emp, EMT, number, **terms)  # type: ignore[arg-type]
        self.pki.write_peer(self.gateway, EMT, number, **terms)  # type: ignore[arg-type]

    def forget_peer(self, subject: Subject = EMT, number: int = 1) -> None:
        folder = self.gateway / "peers" / subject.file_name / str(number)
        for file in folder.iterdir():
            file.unlink()


def curve_name(pki: TrialPki) -> str:
    return pki.curves[2].name
