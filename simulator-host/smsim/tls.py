"""TLS of a meter on TCP: its self-signed certificate, made at the first start and kept, and its server's context."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from smsim.ports import Port, TcpPort, TcpPushPort
from smsim.toml_section import Section

if TYPE_CHECKING:
    import ssl

FOLDER: Final = "smsim-certificates"
CURVES: Final = ("brainpool", "p256")
_DAY_S: Final = 86_400  # clocks of gateways may be behind


class Tls(NamedTuple):
    """Where the certificates of the meters are; whom a meter believes (None: anybody); and its curve."""

    folder: Path
    client: Path | None = None
    curve: str = CURVES[0]

    def certificate(self, name: str) -> Path:
        """The file that a gateway pins."""
        return self.folder / f"{name.replace('/', '-')}.crt"

    def context(self, name: str, device: str) -> "ssl.SSLContext":
        """The context of the meter's server. Key and certificate are made if there are none. TrustError."""
        from smgw.trust.meter_certificate import MeterCertificate  # few meters have TLS
        from smgw.trust.meter_tls import server_context
        from smgw.trust.self_signed import write_self_signed
        from smgw.trust.tls_rules import Own

        own = Own(self.certificate(name), self.certificate(name).with_suffix(".key"))
        if not own.certificate.exists():
            write_self_signed(own, f"{device}.sm", self.curve, int(time.time()) - _DAY_S)
        return server_context(own, MeterCertificate.from_file(self.client) if self.client else None)


def tls_of(section: Section, port: Port, folder: Path) -> Tls | None:
    """The keys tls, tls_client and tls_curve of a meter or line. ConfigError."""
    wanted = section.flag("tls", default=False)
    for key in ("tls_client", "tls_curve"):
        if section.has(key) and not wanted:
            raise section.fault(key, "belongs to a meter with TLS", "write tls = true, or leave it out")
    client = section.text("tls_client", "", "the file of a gateway's certificate")
    curve = section.choice("tls_curve", CURVES[0], CURVES)
    if not wanted:
        return None
    if not isinstance(port, TcpPort | TcpPushPort):
        raise section.fault("tls", f"{port} is no TCP port", 'leave it out, or write port = "tcp:PORT"')
    return Tls(folder, folder.parent / client if client else None, curve)
