"""How to add a protocol: a folder of its own, and no other file of the product is touched."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from line_meter import Inbox, driver, running, until
from smgw.cli import main
from smgw.profiles import ConfigurationError, protocols
from smgw.profiles.toml_importer import parse

FOLDER = Path(__file__).with_name("toy_protocol")
HEAD = '[gateway]\ndevice_id = "ESMG0000000001"\n[[meter]]\nname = "t"\nprotocol = "toy"\n'


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(protocols._entries, "_known", {})
    protocols.__path__.append(str(FOLDER / "entries"))
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    protocols.__path__.pop()


@pytest.fixture
def port() -> Iterator[str]:
    """A toy meter on TCP."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)

        def serve() -> None:
            energy = 1000
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    while greeting := connection.recv(1):
                        energy += 1
                        if greeting == b"!":
                            connection.sendall(b"TOY1 %d\n" % energy)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"socket://127.0.0.1:{listener.getsockname()[1]}"
        stop.set()
        thread.join(5)


def written(tmp_path: Path, port: str) -> str:
    file = tmp_path / "gateway.toml"
    file.write_text(f'{HEAD}port = "{port}"\ntimeout = 2\ntoy = {{ greeting = "!" }}\n')
    return str(file)


def test_its_keys_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", written(tmp_path, "socket://127.0.0.1:9")]) == 0
    for added, said in (
        ("retries = 1", "a toy is asked once; leave it out"),
        ("toy = { greeting = 'hello' }", 'write "?" or "!"'),
        ("toy = { greting = '!' }", 'did you mean "greeting"'),
        ("username = 'a'", "toy has no username"),
    ):
        with pytest.raises(ConfigurationError, match=None) as raised:
            parse(f'{HEAD}port = "socket://a:1"\n{added}\n', "g.toml")
        assert said in str(raised.value)
    assert "good" in capsys.readouterr().out


def test_its_version_holds_its_keys() -> None:
    (meter,) = parse(f'{HEAD}port = "socket://a:1"\n', "g.toml").meters
    content = json.loads(meter.content())
    assert content["toy"] == {"greeting": "?"}
    assert not {"dlms", "username", "retries"} & set(content)


def test_smgw_read_reads_it(tmp_path: Path, port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "--config", written(tmp_path, port)]) == 0
    assert "1-0:1.8.0*255" in (out := capsys.readouterr().out)
    assert "1001 Wh" in out


def test_its_line_is_driven(tmp_path: Path, port: str) -> None:
    (meter,) = parse(Path(written(tmp_path, port)).read_text(), "g.toml").meters
    inbox = Inbox()
    with running(driver(meter._replace(interval=0.05), inbox=inbox)):  # type: ignore[arg-type]
        until(lambda: len(inbox.captures) >= 3)
    assert inbox.values[:3] == [1001, 1002, 1003]


def test_smgw_dump_shows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "octets"
    file.write_bytes(b"TOY1 5\nTOY2 6\n")
    assert main(["dump", "toy", str(file)]) == 0
    assert capsys.readouterr().out == "toy TOY1: 5 Wh\ntoy TOY2: 6 Wh\n"
