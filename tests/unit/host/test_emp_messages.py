"""What `emp` says of a wrong file, address or server: words, no number of an error, no traceback."""

import socket

import pytest
from emp.cli import main


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("text, and no database")
    (tmp_path / "empty").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("status --db absent", "absent: no such file; emp serve --db absent makes it"),
        ("status --db folder", "folder: is a directory; name the database file in it"),
        ("status --db empty", "empty: is no database of emp; name another file"),
        ("status --db text", "text: cannot be read (file is not a database)"),
        ("backup copy --db absent", "absent: no such file"),
        ("restore absent", "absent: no such file; name a copy that emp backup made"),
        ("import absent", "absent: cannot be read (No such file or directory); name a file that `smgw export` made"),
        ("import text --url http://127.0.0.1:99999", "http://127.0.0.1:99999: write the point of contact"),
        ("import text", "text: cannot be unpacked (File is not a zip file); copy it or export it again"),
        ("serve --db nowhere/emp.db --listen 127.0.0.1:0", "nowhere/emp.db.lock: No such file or directory; name a"),
        ("serve --db folder --listen 127.0.0.1:0", "folder: cannot be opened (Is a directory); name a file"),
    ],
)
def test_a_wrong_file_is_told_in_words(here, command, said, capsys):
    assert main(command.split()) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "Errno" not in told


def test_an_address_in_use_is_told_once(here, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["serve", "--listen", address, "--people", "127.0.0.1:0"]) == 1
    assert capsys.readouterr().err == (
        f"emp: cannot listen on {address}: Address already in use; choose another HOST:PORT\n"
    )


def test_a_foreign_file_keeps_its_mode(here):
    (here / "text").chmod(0o644)
    assert main(["serve", "--db", "text", "--listen", "127.0.0.1:0"]) == 1
    assert (here / "text").stat().st_mode & 0o777 == 0o644
