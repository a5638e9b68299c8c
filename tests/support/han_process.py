"""A real `smgw han` over the house of two consumers, with a login of anna's."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from broker import free_port, wait_until
from house_state import TEXT, make


@contextlib.contextmanager
def han_process(folder: Path, *views: str) -> Iterator[tuple[str, str]]:
    """host:port and anna's password while it runs."""
    port = free_port()
    make(folder, text=TEXT)
    with (folder / "gateway.toml").open("a") as file:
        named = ", ".join(f'"{one}"' for one in views)
        file.write(f'[han]\nlisten = "127.0.0.1:{port}"\nviews = [{named}]\n')
    begin = [sys.executable, "-m", "smgw"]
    where = ["--config", str(folder / "gateway.toml"), "--state", str(folder)]
    added = subprocess.run([*begin, "consumer", "add", "anna", *where], capture_output=True, text=True, timeout=60)
    assert added.returncode == 0, added.stderr
    password = re.search(r"password:?\s+(\S+)", added.stdout, re.IGNORECASE)
    assert password, added.stdout
    log = folder / "han.log"
    with log.open("w") as file:
        process = subprocess.Popen([*begin, "han", *where], stdout=file, stderr=file)
    try:
        wait_until(lambda: "ready" in log.read_text())
        yield f"127.0.0.1:{port}", password[1]
    finally:
        process.terminate()
        process.wait(60)
