"""Builds a bundle for `smgw update install`: `make bundle`, after `make image`.

    python3 hw/image/bundle.py [OUTPUT-DIRECTORY [VERSION]]

Packs root.ext4 of the output directory into smgw-VERSION.raucb, and signs it with the builder's key (signing.py).
"""

import configparser
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "firmware")]

import debian
import signing
from smgw.update.bundle import description
from smgw.update.stores import of_this_program

_TOOLS = {"rauc": "rauc", "mksquashfs": "squashfs-tools", "openssl": "openssl"}


def main(output: Path, version: str = "") -> Path:
    """Build it from what `make image` left in `output`; gives the file."""
    if why := debian.missing(_TOOLS):
        raise SystemExit(f"make bundle: {why}")
    root = output / "root.ext4"
    if not root.exists():
        raise SystemExit(f"make bundle: there is no {root}; build it first: sudo make image")
    version = version or _version(output)
    made = output / f"smgw-{version}.raucb"
    pack(root, made, version)
    print(f"{made}: {made.stat().st_size / 1e6:.0f} MB")
    return made


def pack(root: Path, made: Path, version: str, level: int = 15) -> None:
    """Pack and sign the file system of a slot. `level` is that of zstd: 1 is quick, 15 small."""
    made.unlink(missing_ok=True)
    certificate = signing.certificate()
    with tempfile.TemporaryDirectory(dir=made.parent, prefix="bundle-") as work:
        folder = Path(work) / "content"
        folder.mkdir()
        subprocess.run(["cp", "--sparse=always", str(root), str(folder / "root.ext4")], check=True)
        (folder / "manifest.raucm").write_text(manifest(version), encoding="utf-8")
        done = subprocess.run(
            [
                *("rauc", f"--cert={certificate}", f"--key={signing.key()}", "bundle"),
                *(f"--mksquashfs-args=-comp zstd -Xcompression-level {level} -quiet -no-progress", folder, made),
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"make bundle: {done.stderr.strip()}")


def manifest(version: str) -> str:
    """What the bundle says about itself."""
    configuration = configparser.ConfigParser(interpolation=None)
    configuration.read(HERE / "files/etc/rauc/system.conf", encoding="utf-8")
    return (
        f"[update]\ncompatible={configuration['system']['compatible']}\nversion={version}\n"
        f"description={description(of_this_program())}\n\n[bundle]\nformat=verity\n\n"
        "[image.rootfs]\nfilename=root.ext4\n"
    )


def _version(output: Path) -> str:
    """Of the image that was built last."""
    images = sorted(output.glob("smgw-*.img"), key=lambda file: file.stat().st_mtime)
    if not images:
        raise SystemExit(f"make bundle: there is no image in {output}; name a version, or build one: sudo make image")
    return images[-1].stem.removeprefix("smgw-")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[1] / "build" / "image", *sys.argv[2:3])
