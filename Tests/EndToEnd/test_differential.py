"""A sample of scripts/differential.py: random models give what onnxruntime gives."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("flags", [[], ["--opset", "7-12"], ["--graphs"]], ids=["nodes", "old-opsets", "graphs"])
def test_random_models_agree_with_onnxruntime(flags, tmp_path):
    command = [sys.executable, ROOT / "scripts/differential.py", "--seed", "ci", "--rounds", "1", "--round", "600"]
    done = subprocess.run(
        [*command, *flags, "--keep", tmp_path / "cases"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert int(done.stdout.rsplit("\n", 2)[-2].split(" passed")[0]) > 300
