"""Every command says its version, and it is the version of the distributions."""

import tomllib
from importlib import import_module

import pytest
from emp_process import ROOT

PROJECTS = [
    tomllib.loads((ROOT / where / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for where in ("firmware", "simulator-host")
]
SCRIPTS = {name: target for project in PROJECTS for name, target in project["scripts"].items()}


def test_both_distributions_have_one_version():
    gateway, host = PROJECTS
    assert gateway["version"] == host["version"]
    assert f"smgw=={gateway['version']}" in host["dependencies"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_command_says_the_version_of_its_package(script, capsys):
    module, _, function = SCRIPTS[script].partition(":")
    with pytest.raises(SystemExit) as ended:
        getattr(import_module(module), function)(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{script} {PROJECTS[0]['version']}\n"


@pytest.mark.parametrize("package", ["smgw", "smsim", "emp"])
def test_a_package_has_the_version_of_its_distribution(package):
    assert import_module(package).__version__ == PROJECTS[0]["version"]
