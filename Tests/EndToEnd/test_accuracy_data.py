"""The judges and the made-up data of scripts/accuracy."""

import sys

import numpy as np
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import accuracy_cases  # noqa: E402
import accuracy_data as data  # noqa: E402


@pytest.mark.parametrize(
    "left, right, count",
    [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("same", "same", 0)],
)
def test_edits(left, right, count):
    assert data.edits(left, right) == count


def test_repeats_and_blanks_fall_away():
    positions = [0, 1, 1, 0, 1, 2, 2, 0]
    assert data.decoded(np.eye(3)[positions], ["", "a", "b"]) == "aab"
    exact, errors = data.read_words(np.eye(3)[[positions, positions]], (["", "a", "b"], ["aab", "ab"]))
    assert (exact, errors) == (1, 1 / 5)


def test_ranks_of_equal_values_share_their_mean():
    assert data.spearman(np.array([1, 2, 2, 3]), np.array([1, 2, 2, 3])) == pytest.approx(1)
    assert data.spearman(np.array([1, 2, 3]), np.array([3, 2, 1])) == pytest.approx(-1)
    # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
    assert data.spearman(np.array([1, 2, 2, 3]), np.array([1, 2, 3, 4])) == pytest.approx(0.9486832980505138)


def test_embeddings_agree_with_themselves_and_not_with_others():
    rows = np.random.default_rng(0).normal(size=(40, 8))
    assert data.ranks_agree(rows, 3 * rows) == pytest.approx((1, 1, 1))
    cosine, recall, correlation = data.ranks_agree(rows, np.random.default_rng(1).normal(size=(40, 8)))
    assert abs(cosine) < 0.3 and recall < 0.6 and abs(correlation) < 0.3


def test_data_come_from_their_seeds():
    sound = data.voice(3, 8192)
    assert np.array_equal(sound, data.voice(3, 8192)) and not np.array_equal(sound, data.voice(4, 8192))
    assert sound.dtype == np.float32 and np.abs(sound).max() == pytest.approx(0.3, abs=1e-6)
    first, second = data.images("x", 2, 2, 32), data.images("x", 2, 2, 32)
    assert np.array_equal(first.test["x"], second.test["x"])
    assert first.test["x"].std() == pytest.approx(1, abs=1e-3)
    texts = data.docstrings(320)
    assert texts == data.docstrings(320) and len(set(texts)) == 320


def test_reports_must_say_everything():
    side = {"file_bytes": 1, "gzip_bytes": 1, "parameters": 1, "nonzeros": 1, "latency": []}
    layer = {"name": "fc1", "methods": ["int8"], "no_op": []}
    report = dict.fromkeys(accuracy_cases.REPORT, 1) | {
        "before": side, "after": side, "evidence": "labels", "comparison": {"agreement": 1}, "speedup": 2,
        "layers": [layer], "steps": [{}], "promote": True,
    }  # fmt: skip
    assert accuracy_cases.report_faults(report) == []
    silent = report | {"layers": [layer | {"methods": []}]}
    assert accuracy_cases.report_faults(silent) == ["nothing said about fc1"]
    assert accuracy_cases.report_faults(report | {"promote": False, "reasons": []}) == ["not promoted without a reason"]
    assert accuracy_cases.report_faults({k: v for k, v in report.items() if k != "speedup"}) == ["no speedup"]
