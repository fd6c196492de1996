"""The operators that onnxruntime's optimizers and quantizers write agree with onnxruntime: scripts/compare_contrib.py."""

import sys

from conftest import ADZE, ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import compare_contrib  # noqa: E402


def test_contrib_operators_agree_with_onnxruntime():
    assert compare_contrib.run_all(ADZE) == []
