"""Damaged and hostile models end in errors, never in a signal: a kept corpus, and mutants made here."""

import subprocess
import zipfile
from pathlib import Path

from conftest import ADZE, DIGITS, ROOT, run_adze

CORPUS = Path(__file__).parent / "fixtures" / "corpus.zip"


def fuzz(*arguments, keep):
    command = [ROOT / "scripts" / "fuzz", "--keep", keep, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_corpus(tmp_path):
    """Mutants from scripts/fuzz, one for each kind of answer that they got."""
    with zipfile.ZipFile(CORPUS) as archive:
        archive.extractall(tmp_path)
    cases = len(list(tmp_path.iterdir()))
    assert cases > 100
    result = run_adze("verify", tmp_path, check=False, timeout=120)
    assert result.returncode in (0, 1), result.stderr[-2000:]
    passed, failed = (int(part.split()[0]) for part in result.stdout.splitlines()[-1].split(", "))
    assert passed + failed == cases


def test_new_mutants(tmp_path):
    result = fuzz("--seconds", 4, "--seed", 20, "--adze", ADZE, keep=tmp_path / "findings")
    assert result.returncode == 0, result.stdout
    assert not (tmp_path / "findings").exists()


def test_fuzzing_sees_a_crash(tmp_path):
    crashing = tmp_path / "adze"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    result = fuzz("--seconds", 0.1, "--adze", crashing, DIGITS, keep=tmp_path / "findings")
    assert result.returncode == 1
    assert "exit -11" in result.stdout
    assert list((tmp_path / "findings").glob("finding-*/model.onnx"))
