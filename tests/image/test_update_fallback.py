"""A new version in the emulated board that does not work: it is given up by itself, and the one before runs again."""

import json
import subprocess
from pathlib import Path

from board_machine import BoardMachine, image
from smgw.update.boot_state import COPIES, BootState, encode
from smgw.update.trial import Phase, Trial, note

MIB = 2**20
#: Where slot B and the data partition begin on the card.
SLOT_B, DATA = (4 + 256 + 640) * MIB, (4 + 256 + 640 + 640) * MIB


def debugfs(file: str, *orders: str) -> None:
    for order in orders:
        subprocess.run(["/usr/sbin/debugfs", "-w", "-R", order, file], check=True, capture_output=True, timeout=60)


def put_broken_version(board: BoardMachine, root: Path, folder: Path) -> None:
    """As `smgw update install` leaves a card, with a version in slot B that has no program smgw."""
    subprocess.run(["cp", "--sparse=always", root, folder / "root"], check=True)
    debugfs(str(folder / "root"), "rm /usr/bin/smgw")
    with board.card.open("r+b") as card:
        with (folder / "root").open("rb") as broken:
            card.seek(SLOT_B)
            while piece := broken.read(MIB):
                card.write(piece)
        for at in COPIES:
            card.seek(at)
            card.write(encode(BootState(("B", "A"), (9, 3))))
    (folder / "root").unlink()
    note(folder, Trial("B", "3.0.0", "the boot before", phase=Phase.INSTALLED))
    data = f"{board.card}?offset={DATA}"
    debugfs(data, "mkdir smgw", "mkdir smgw/update", f"write {folder}/trial-B.json smgw/update/trial-B.json")


def test_a_version_whose_program_is_broken_is_given_up_and_the_one_before_runs_again(tmp_path: Path) -> None:
    source = image()
    with BoardMachine(source, tmp_path / "board") as board:
        board.write_card({"authorized_keys": board.public_key})
        put_broken_version(board, source.parent / "root.ext4", tmp_path)
        board.power_on()
        board.until(lambda: "slot=A" in board.try_run("cat", "/proc/cmdline").stdout, 900)
        assert "smgw: slot B, tries left A 9, B 2" in board.console.read_text(errors="replace")

        def found() -> dict[str, object]:
            return dict(json.loads(board.try_run("smgw", "update", "status", "--json").stdout or '{"last": null}'))

        board.until(lambda: found()["last"], 600)
        told = found()
        assert isinstance(told["last"], dict)
        assert (told["last"]["result"], told["booted"], told["next"]) == ("fell-back", "A", "A")
        assert told["trial"] is None
