"""The programs in examples/, run as a reader would run them."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
CAPTURE = ROOT / "tests/captures/sml/sml-rs/sample_itron.bin"


def run(example: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLES / example, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def started(*command: str, says: str) -> Iterator[str]:
    """A program that runs until the end; gives what `says` finds in its first lines."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield next(found[1] for line in process.stdout if (found := re.search(says, line)))
        finally:
            process.terminate()


def test_the_first_example_prints_the_values_of_a_capture():
    done = run("decode_capture.py", str(CAPTURE))
    assert done.returncode == 0, done.stderr
    assert re.search(r"1-0:1\.8\.0\*255 +\d+(\.\d+)? Wh$", done.stdout, re.MULTILINE)


def test_the_first_example_names_what_it_rejects(tmp_path):
    octets = bytearray(CAPTURE.read_bytes())
    octets[40] ^= 1
    (tmp_path / "damaged.bin").write_bytes(octets)
    assert "rejected" in run("decode_capture.py", str(tmp_path / "damaged.bin")).stderr


def test_the_second_example_reads_the_third():
    with started(str(EXAMPLES / "serve_meter.py"), says=r"meter on 127\.0\.0\.1 (\d+)") as port:
        done = run("poll_dlms_meter.py", "127.0.0.1", port, "1.8.0", "2.8.0", "9.9.9")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["1.8.0    123456.7 Wh", "2.8.0    8901.2 Wh"]
    assert "OBJECT_UNDEFINED" in done.stdout


def test_the_second_example_reads_a_simulated_meter(tmp_path):
    (tmp_path / "meters.toml").write_text(
        '[[dlms]]\nport = "tcp:0"\nframing = "wrapper"\n'
        '[[dlms.meter]]\nname = "flat"\ndevice = "1UTB0000000071"\naddress = 1\n'
    )
    command = ("-m", "smsim", "run", str(tmp_path / "meters.toml"))
    with started(*command, says=r"smsim: meter flat .*:(\d+)$") as port:
        done = run("poll_dlms_meter.py", "127.0.0.1", port, "1.8.0")
    assert done.returncode == 0, done.stderr
    assert re.match(r"1\.8\.0 +\d+(\.\d+)? Wh$", done.stdout.strip())


def test_the_second_example_says_in_one_line_that_nobody_answers():
    done = run("poll_dlms_meter.py", "127.0.0.1", "1", "1.8.0")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
