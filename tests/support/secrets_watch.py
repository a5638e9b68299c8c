"""A plugin of pytest: no test may see a key, password, PIN or passphrase in a log, an error, a page or a bundle.

It is on for all tests (see conftest.py). It learns the secrets where they are made or read, in this process:

- every private key that `ec.generate_private_key` makes, and every shared secret and random key of `smgw.trust.keys`;
- every file that `read_private` and `read_password` read, and key files below the test's `tmp_path`;
- what a fixture registers: `WATCH.word(password, "PIN of the token")`.

After each test it looks through the log records at debug level with their journal fields, what was printed, the texts
of errors of the gateway, the bodies that an HTTP client read, the output of child processes of ours, and files below
`tmp_path` that are logs, pages or bundles. A test that must show a secret says so: `@pytest.mark.shows_secrets`.
"""

import http.client
import logging
import re
import subprocess
import tarfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from secret_forms import Secrets
from smgw.board.journal import entry
from smgw.errors import SmgwError
from smgw.profiles import password
from smgw.trust.keys import private_file
from smgw.trust.keys.pem import PemKeys

#: Tests of these files run at debug level.
DEBUGGED = re.compile(r"trust|keys|wan|pki|tls|emp|services|support|deliver|seal")
_OURS = re.compile(r"\b(smgw|emp|smsim|smgw-pki|pki)\b")
_PIECE_MAX = 1_000_000
#: Texts of a test that wait to be looked through, in characters.
_SIZE_MAX = 4_000_000
_FILES = ("*.log", "*.html", "*.tar.gz")


class Watch:
    """What this test made secret, and what it showed."""

    def __init__(self) -> None:
        self.secrets = Secrets()
        self._shown: list[tuple[str, str]] = []
        self._size = 0
        self._texts: set[int] = set()
        self._faults: set[str] = set()

    def word(self, word: str | bytes, what: str) -> None:
        """A fixture has this secret."""
        self.secrets.word(word, what)

    def show(self, where: str, text: str | bytes) -> None:
        """This text left the program."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        if text and hash(text) not in self._texts:
            self._texts.add(hash(text))
            self._shown.append((where, text[:_PIECE_MAX]))
            self._size += len(text)
            if self._size > _SIZE_MAX:
                self._look()

    def faults(self) -> list[str]:
        """Each secret that was shown, and where."""
        self._look()
        return sorted(self._faults)

    def forget(self) -> None:
        """Before the next test. Keys stay, since a PKI lasts for a session."""
        self._look()
        self.secrets.forget_learned()
        self._texts.clear()
        self._faults.clear()

    def _look(self) -> None:
        self._faults |= {f"{what} in {where}" for where, text in self._shown for what in self.secrets.found_in(text)}
        self._shown.clear()
        self._size = 0


WATCH = Watch()


class Records(logging.Handler):
    """Shows every record as the journal would have it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Note message, traceback and fields."""
        try:
            fields = entry(record, self.format)
        except Exception:  # arguments that do not fit are another test's matter
            return
        WATCH.show(f"log of {record.name}", "\n".join(f"{name}={value}" for name, value in fields))


def learn_where_secrets_are_made() -> None:
    """Wrap the few places, once."""
    made = ec.generate_private_key

    def generate(curve: ec.EllipticCurve, backend: object = None) -> ec.EllipticCurvePrivateKey:
        key = made(curve)
        _know(key, "a private key")
        return key

    ec.generate_private_key = generate
    _wrap(private_file, "_read_all", lambda octets: _read(octets, "a private file"))
    _wrap(password, "_content", lambda found: _read(found[1], f"the password file {found[0].name}"))
    _wrap(PemKeys, "agree", lambda octets: WATCH.secrets.key(octets, "a shared secret"))
    _wrap(PemKeys, "random", lambda octets: WATCH.secrets.key(octets, "a random key"))


def watch_what_is_shown() -> None:
    """Wrap the ways out, once."""
    _wrap(http.client.HTTPResponse, "read", lambda body: WATCH.show("a body of HTTP", body))
    _wrap(pytest.CaptureFixture, "readouterr", lambda read: [WATCH.show("what was printed", one) for one in read])
    real = subprocess.Popen.communicate

    def communicate(self: "subprocess.Popen[Any]", *given: Any, **named: Any) -> Any:
        streams = real(self, *given, **named)
        words = [self.args] if isinstance(self.args, (str, bytes, Path)) else self.args
        if _OURS.search(" ".join(map(str, words))):
            for one in streams:
                if one:
                    WATCH.show(f"the output of {Path(str(next(iter(words)))).name}", one)
        return streams

    subprocess.Popen.communicate = communicate  # type: ignore[method-assign]

    def error(self: SmgwError, *given: object) -> None:
        super(SmgwError, self).__init__(*given)
        texts = [str(one) for one in (*given, *vars(self).values()) if isinstance(one, (str, Path))]
        WATCH.show(f"an error {type(self).__name__}", "\n".join(texts))

    SmgwError.__init__ = error  # type: ignore[method-assign, assignment]


def _wrap(owner: Any, name: str, note: Callable[[Any], object]) -> None:
    real = getattr(owner, name)

    def noted(*given: Any, **named: Any) -> Any:
        result = real(*given, **named)
        note(result)
        return result

    setattr(owner, name, noted)


def _know(key: object, what: str) -> None:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        number = key.private_numbers().private_value
        WATCH.secrets.key(number.to_bytes((key.curve.key_size + 7) // 8, "big"), what)


def _read(octets: bytes, what: str) -> None:
    if b"-----BEGIN" in octets:
        try:
            _know(load_pem_private_key(octets, None), what)
        except (ValueError, TypeError):  # encrypted, or none
            return
    else:
        WATCH.secrets.word(octets.partition(b"\n")[0].rstrip(b"\r"), what, learned=True)


class SecretsWatch:
    """The hooks."""

    def __init__(self) -> None:
        self._records = Records(level=logging.NOTSET)

    def pytest_configure(self, config: pytest.Config) -> None:
        """Once for a session."""
        config.addinivalue_line("markers", "shows_secrets: the test shows a secret on purpose")
        learn_where_secrets_are_made()
        watch_what_is_shown()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, None, None]:
        """Debug level for the tests of trust, without more records for their `caplog`."""
        root, before = logging.getLogger(), logging.getLogger().level
        theirs = item.config.pluginmanager.getplugin("logging-plugin")
        handlers = (theirs.caplog_handler, theirs.report_handler) if theirs else ()
        WATCH.forget()
        root.addHandler(self._records)
        try:
            if DEBUGGED.search(item.path.name):
                root.setLevel(logging.DEBUG)
                for one in handlers:
                    one.setLevel(before)
            yield
        finally:
            root.removeHandler(self._records)
            root.setLevel(before)
            for one in handlers:
                one.setLevel(logging.NOTSET)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: "pytest.CallInfo[None]") -> Generator[None, Any, None]:
        """Look through everything when the test is over and its processes are, too."""
        report = (yield).get_result()
        if call.when != "teardown":
            return
        for kind, text in report.sections:
            WATCH.show(kind, text)
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        if isinstance(folder, Path) and folder.is_dir():
            look_into(folder)
        if not item.get_closest_marker("shows_secrets") and (faults := WATCH.faults()):
            report.outcome = "failed"
            report.longrepr = "\n".join(["A secret was shown:", *faults, "", str(report.longrepr or "")])


def look_into(folder: Path) -> None:
    """Keys that a test wrote below a folder, and logs and bundles there."""
    for file in folder.rglob("*.key"):
        if file.is_file() and file.stat().st_size < _PIECE_MAX:
            _read(file.read_bytes(), f"the key file {file.name}")
    for pattern in _FILES:
        for file in folder.rglob(pattern):
            if not file.is_file():
                continue
            if file.name.endswith(".tar.gz"):
                with tarfile.open(file) as bundle:
                    for member in bundle.getmembers():
                        if (stream := bundle.extractfile(member)) is not None:
                            WATCH.show(f"{member.name} of a bundle", stream.read())
            else:
                WATCH.show(f"the file {file.name}", file.read_bytes())
