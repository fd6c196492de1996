"""House rules that a machine can check."""

import re
import subprocess

import pytest
from conftest import ROOT

FOUNDATION_FREE = ["Tensors", "GraphIR", "Engine", "HTTPTransport"]
LONGEST_FILE = 450


def tracked(*patterns):
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / name for name in names if name and not name.endswith(".pb.swift") and (ROOT / name).exists()]


def test_top_level():
    allowed = {"Package.swift", "Sources", "Tests", "config", "scripts", "Dockerfile", "README.md", "LICENSE",
               "CHANGELOG.md", ".ci", ".gitignore", ".swift-format", ".dockerignore"}
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= allowed


@pytest.mark.parametrize("module", FOUNDATION_FREE)
def test_no_foundation(module):
    for path in tracked(f"Sources/{module}/*.swift"):
        assert not re.search(r"^\s*(\w+ )?import Foundation", path.read_text(), re.M), path


def test_only_the_engine_knows_kernels():
    for path in tracked("Sources/*.swift"):
        if "import CKernels" in path.read_text():
            assert path.relative_to(ROOT).parts[1] == "Engine", path


def test_files_stay_readable():
    for path in tracked("Sources/*.swift", "Sources/*.c", "Tests/*.swift", "scripts/*.py", "Tests/*.py"):
        lines = path.read_text().count("\n")
        assert lines <= LONGEST_FILE, f"{path.relative_to(ROOT)} has {lines} lines"


def test_no_leftovers():
    word = "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"])
    for path in tracked("Sources/*", "Tests/*", "scripts/*", "config/*.yaml"):
        if path.suffix in (".npz", ".npy", ".onnx", ".pb", ".gz", ".bin"):
            continue
        found = re.search(rf"\b({word})\b", path.read_text(errors="replace"))
        assert not found, f"{path.relative_to(ROOT)}: {found.group()}"


def test_every_option_is_documented():
    settings = (ROOT / "Sources/adze/ServeSettings.swift").read_text()
    keys = re.findall(r'key: "([a-z_.]+)"', settings)
    section, documented = None, set()
    for line in (ROOT / "config/adze.yaml").read_text().splitlines():
        if match := re.match(r"^(\w+):", line):
            section = match.group(1)
        elif match := re.match(r"^  (\w+):", line):
            documented.add(f"{section}.{match.group(1)}")
    assert set(keys) == documented
