"""The head-end with TLS and CMS: readings a second that it makes durable, and handshakes a second, full and resumed.

Readings as in bench_emp.py, each document signed and sealed before the clock starts. The handshakes are made by
`openssl s_time`, with a client certificate, at the head-end and at `openssl s_server`. Clients and server share the
cores, and a client waits for delayed acknowledgements. So the server's processor time of a handshake is measured too.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("firmware", "simulator-host", "tests/support", "tests/bench")]

import bench_emp  # noqa: E402
from bench_emp import PARTS, SENDERS, Way, rate, served  # noqa: E402
from emp_trust import CMS, Trial  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.trust.names import gateway  # noqa: E402
from testbed import free_port  # noqa: E402
from trial_pki import openssl  # noqa: E402

BAR = 20_000
SECONDS, CLIENTS = 2, 4
_TOTAL = re.compile(rb"(\d+) connections in (\d+) real seconds")
_CONF = """openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = curves
[curves]
Groups = brainpoolP256r1:prime256v1
"""


def main() -> list[Result]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trial = Trial(folder)
        subjects = [gateway(f"ESMG{sender:010d}") for sender in range(SENDERS)]
        for one in subjects:
            trial.pki.write_peer(trial.emp, one)
        sealed = [
            [trial.seal(bench_emp.body(sender, part), trial.party(subjects[sender])) for part in range(PARTS)]
            for sender in range(SENDERS)
        ]
        way = Way(tuple(trial.context(one) for one in subjects), CMS)
        serve = ("-m", "emp", "serve", "--listen", "127.0.0.1:0", "--db", f"{folder}/emp.db", "--trust", str(trial.emp))
        with served(*serve) as (port, process):
            kept, slowest = rate(port, sealed, way)
            ours = {kind: handshakes(trial, folder, port, process, kind) for kind in ("new", "reuse")}
        with s_server(trial, folder) as (port, process):
            theirs = {kind: handshakes(trial, folder, port, process, kind) for kind in ("new", "reuse")}
    return [
        Result("EMP, readings over TLS in CMS, durable", kept, "readings/s", BAR, at_most=False),
        Result("EMP, slowest PUT of 800 readings over TLS in CMS", slowest, "s", 1.0, at_most=True),
        *_shown("EMP", ours),
        *_shown("peer: openssl s_server", theirs),
    ]


class Made(NamedTuple):
    """Handshakes a second, and the server's processor time of one in milliseconds."""

    rate: float
    cpu_ms: float


def _shown(who: str, made: dict[str, Made]) -> list[Result]:
    return [
        Result(f"{who}, {word} handshakes{what}", value, unit)
        for kind, word in (("new", "full"), ("reuse", "resumed"))
        for what, value, unit in (
            (f", {CLIENTS} x s_time", made[kind].rate, "a second"),
            (", processor time of one", made[kind].cpu_ms, "ms"),
        )
    ]


def handshakes(trial: Trial, folder: Path, port: int, server: int, kind: str) -> Made:
    """What several clients make at once."""
    own = trial.gateway() / "own" / "1"
    command = [
        openssl(), "s_time", "-connect", f"127.0.0.1:{port}", f"-{kind}", "-time", str(SECONDS), "-tls1_2",
        "-CAfile", str(roots(trial, folder)), "-cert", str(own / "tls.crt"), "-key", str(own / "tls.key"),
    ]  # fmt: skip
    before, surroundings = processor_s(server), environment(folder)
    clients = [
        subprocess.Popen(command, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(CLIENTS)
    ]
    made = 0
    for client in clients:
        said, error = client.communicate()
        found = _TOTAL.search(said)
        if found is None:
            raise SystemExit(f"openssl s_time: {error.decode()}")
        made += int(found[1])
    return Made(made / SECONDS, (processor_s(server) - before) / made * 1000)


def processor_s(process: int) -> float:
    """The processor time of a process, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def s_server(trial: Trial, folder: Path) -> Iterator[tuple[int, int]]:
    """OpenSSL's server with the same certificate; its port, and the number of its process."""
    own, port = trial.emp / "own" / "1", free_port()
    process = subprocess.Popen(
        [
            openssl(), "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", "-Verify", "3", "-verify_return_error",
            "-CAfile", str(roots(trial, folder)), "-cert", str(own / "tls.crt"), "-key", str(own / "tls.key"),
            "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256",
        ],
        env=environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        time.sleep(0.5)  # it says nothing when it listens, and each connection counts
        yield port, process.pid
    finally:
        process.kill()
        process.communicate()


def roots(trial: Trial, folder: Path) -> Path:
    """Root and sub-CA in one file."""
    file = folder / "roots.pem"
    file.write_bytes(trial.pki.root.certificate.pem + trial.pki.sub_ca.certificate.pem)
    return file


def environment(folder: Path) -> dict[str, str]:
    """The environment in which OpenSSL knows brainpool curves in TLS."""
    file = folder / "openssl.cnf"
    file.write_text(_CONF)
    return {**os.environ, "OPENSSL_CONF": str(file)}


if __name__ == "__main__":
    sys.exit(shown(main()))
