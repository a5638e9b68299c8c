"""The generated parts of docs/ can be made, and the pages name what the code has."""

import importlib.util
import re
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
from smgw.profiles import communication, gateway, keys, meter, outlets, protocols
from smgw.profiles.dlms import Quirk
from smgw.profiles.toml_importer import load

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The hook of MkDocs, loaded as MkDocs loads it."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def marks() -> list[str]:
    return [mark for page in PAGES for mark in re.findall(r"^\{\{ (\w+) \}\}$", page.read_text(), re.MULTILINE)]


@pytest.mark.parametrize("mark", marks())
def test_a_mark_in_a_page_is_filled_from_the_code(generate: ModuleType, mark: str) -> None:
    text = generate.on_page_markdown(f"{{{{ {mark} }}}}\n")
    assert mark in generate.MAKERS
    assert len(text) > 200


def test_every_maker_has_its_page(generate: ModuleType) -> None:
    assert sorted(generate.MAKERS) == sorted(marks())


def test_the_reference_has_every_key_of_the_configuration(generate: ModuleType) -> None:
    tables = [gateway.KEYS, gateway.RETENTION_KEYS, keys.KEYS, meter.KEYS, communication.KEYS]
    tables += [one.section.keys for one in protocols.every() if one.section] + [one.keys for one in outlets.every()]
    text = generate.configuration()
    assert [key for table in tables for key in table if f"| `{key}`" not in text] == []


def test_a_page_that_loads_from_the_network_is_refused(generate: ModuleType) -> None:
    class Page:
        class file:  # noqa: N801 - as MkDocs calls it
            src_uri = "page.md"

    assert generate.on_post_page('<script src="assets/a.js"></script>', page=Page) is not None
    with pytest.raises(ValueError, match=r"page\.md"):
        generate.on_post_page('<script src="https://example.org/a.js"></script>', page=Page)


@pytest.mark.parametrize("quirk", list(Quirk))
def test_the_page_of_dlms_explains_every_quirk(quirk: Quirk) -> None:
    assert f"| `{quirk}` |" in (DOCS / "dlms.md").read_text()


def test_the_field_rules_are_there_from_1_to_30() -> None:
    rules = re.findall(r"^\| R(\d+) \|", (DOCS / "field-rules.md").read_text(), re.MULTILINE)
    assert sorted(map(int, rules)) == list(range(1, 31))


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    assert [page.name for page in PAGES if f": {page.name}\n" not in navigation] == []


@pytest.mark.parametrize(
    "document", [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda path: path.name
)
def test_a_document_names_files_that_exist(document: Path) -> None:
    folders = ("firmware", "simulator-host", "systemd", "tests", "docs", "examples", "config")
    files = [f"/{path.relative_to(ROOT)}" for folder in folders for path in (ROOT / folder).rglob("*.*")]
    named = re.findall(r"`((?:[a-z_]+/)*[a-z_]+[0-9]*\.(?:py|sql|sh))`", document.read_text())
    assert [name for name in named if not any(file.endswith(f"/{name}") for file in files)] == []


def configurations() -> list[object]:
    """The examples of the gateway's configuration in the pages; those of the simulator stand in its own page."""
    found = []
    for page in PAGES:
        blocks = re.findall(r"^( *)```toml\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
        texts = [textwrap.dedent(text) for _, text in blocks if "[[meter]]" in text and page.name != "simulator.md"]
        found += [pytest.param(text, id=f"{page.stem}-{number}") for number, text in enumerate(texts, 1)]
    return found


@pytest.mark.parametrize("text", configurations())
def test_an_example_of_a_configuration_is_right(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f'[gateway]\ndevice_id = "ESMG0000000001"\n\n{text}')
    assert load(file).meters


def test_the_guide_for_contributors_lists_the_targets_of_make() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    listed = set(re.findall(r"^\| `make ([a-z-]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))
    assert targets - listed == {"help", "setup", "clean"}
