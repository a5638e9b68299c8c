"""What `smgw` says of wrong input: what happened, where, what to do; no number of an error, no traceback."""

from pathlib import Path

import pytest
from smgw.cli import main

CONFIGURATION = """[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB99"
[[emp]]
name = "demo"
url = "http://127.0.0.1:9"
insecure = true
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("text")
    (tmp_path / "g.toml").write_text(CONFIGURATION)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("check --config absent", "absent: there is no such file; name yours with --config, or write one: smgw setup"),
        ("check --config folder", "folder: is a directory; name the file with --config"),
        ("check --config text/x", "text/x: cannot be read (Not a directory); name a TOML file with --config"),
        ("read --config g.toml --state s roof", "g.toml has no meter 'roof'; it has house"),
        ("run --config g.toml --state text", "text: no directory for the databases can be made there (File exists);"),
        ("run --config g.toml --state /proc/x", "no directory for the databases can be made there"),
        ("lmn --config g.toml --state absent", "there is no directory absent; make it, or name another with --state"),
        ("deliver --config g.toml --state folder roof", "g.toml has no EMP 'roof'; it has demo"),
        ("export --config g.toml --state s a.zip --emp roof", 'no EMP has the name "roof"; write --emp demo'),
        ("export --config g.toml --state s a.zip", "s/lmn/lmn.db: there is no database yet; smgw lmn makes it"),
        ("support-bundle --config g.toml --state s absent/a.gz", "absent/a.gz: cannot be written (No such file or dir"),
        ("dump sml absent", "absent: No such file or directory; name a file with a meter's octets, or a port"),
        ("dump dlms text --key absent", "absent: cannot be read (No such file or directory); this user must be able"),
    ],
)
def test_wrong_input_is_told_in_words(here: Path, command: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command.split()) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Errno" not in told
    assert told.count("\n") == 1


def test_an_error_of_the_system_that_nobody_foresaw_is_no_traceback(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise PermissionError(13, "Permission denied", "/etc/shadow")

    monkeypatch.setattr("smgw.cli.check.load", fail)
    assert main(["check"]) == 2
    assert capsys.readouterr().err == "smgw check: /etc/shadow: Permission denied\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("read --seconds x", 'argument --seconds: "x" is no number of seconds; write a number above 0'),
        ("read --seconds -1", '"-1" is no number of seconds'),
        ("scan /dev/null --seconds nan", '"nan" is no number of seconds'),
        ("scan /dev/null --timeout 0", '"0" is no number; write a whole number from 1 on'),
        ("deliver --seconds 1e99", '"1e99" is no number of seconds'),
        ("log -n 0", '"0" is no number; write a whole number from 1 on'),
    ],
)
def test_a_number_that_is_none_is_told(command: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(command.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
