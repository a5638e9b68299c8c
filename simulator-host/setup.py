"""Compiles the catalogues of the pages when the distribution is built; all else stands in pyproject.toml."""

from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithCatalogues(build_py):
    """A .mo beside each .po: in the tree, so that an editable installation has them too."""

    def run(self) -> None:
        for source in sorted(Path(__file__).parent.glob("emp/locale/*/LC_MESSAGES/*.po")):
            with source.open("rb") as file, source.with_suffix(".mo").open("wb") as compiled:
                write_mo(compiled, read_po(file))
        super().run()


setup(cmdclass={"build_py": BuildWithCatalogues})
