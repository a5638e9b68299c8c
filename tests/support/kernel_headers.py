"""Numbers and layouts as the kernel's own headers have them."""

import shutil
import subprocess
from pathlib import Path

import pytest


def of_the_headers(folder: Path, *expressions: str, headers: tuple[str, ...] = ("linux/gpio.h",)) -> list[int]:
    """The values of C expressions; skips without a compiler or without the headers (linux-libc-dev)."""
    compiler = shutil.which("cc")
    if compiler is None or not all((Path("/usr/include") / one).exists() for one in headers if "asm/" not in one):
        pytest.skip("there is no C compiler, or there are no headers of the kernel (package linux-libc-dev)")
    prints = "".join(f'printf("%llu\\n", (unsigned long long)({one}));' for one in expressions)
    includes = "".join(f"#include <{one}>\n" for one in ("stddef.h", "stdio.h", *headers))
    program = folder / "numbers"
    source = f"{includes}int main(void) {{ {prints} return 0; }}"
    subprocess.run([compiler, "-x", "c", "-", "-o", program], input=source.encode(), check=True)
    out = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return list(map(int, out.split()))
