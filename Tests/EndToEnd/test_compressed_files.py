"""Every file that a recipe writes is standard ONNX, and other runtimes get our answers from it."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from compression_cases import CASES, INTEGER, RECIPES, SUBJECTS, TEST_SET, TRAIN_SET
from conftest import DIGITS, run_adze


def plain_session(path):
    """onnxruntime without rewriting, so that it computes what the file says."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def sqnr(expected, actual):
    noise = np.linalg.norm(expected - actual)
    return np.inf if noise == 0 else 20 * np.log10(np.linalg.norm(expected) / noise)


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in SUBJECTS.items()}


def compressed(model, steps, folder, *options):
    recipe, small = folder / "recipe.json", folder / "small.onnx"
    recipe.write_text(json.dumps({"steps": steps}))
    run_adze("compress", model, small, "--recipe", recipe, "--report", folder / "report.json", *options)
    onnx.checker.check_model(onnx.load(small), full_check=True)
    return small, json.loads((folder / "report.json").read_text())


def ours(path, inputs, folder):
    np.savez(folder / "in.npz", **inputs)
    run_adze("run", path, "--inputs", folder / "in.npz", "--outputs", folder / "out.npz")
    with np.load(folder / "out.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name, subject", CASES, ids=["-".join(case) for case in CASES])
def test_onnxruntime_agrees(subjects, name, subject, tmp_path):
    subject = subjects[subject]
    data = ["--calibration", subject.calibration] if subject.calibration else []
    small, report = compressed(subject.path, RECIPES[name][0], tmp_path, *data)
    # A step that does nothing is no proof of anything.
    assert any(layer["methods"] for layer in report["layers"])
    actual = ours(small, subject.inputs, tmp_path)

    session = plain_session(small)
    expected = dict(zip([port.name for port in session.get_outputs()], session.run(None, subject.inputs)))
    for output, values in expected.items():
        assert sqnr(values, actual[output]) >= (35 if name in INTEGER else 60), output

    # The optimizing runtime loads it too; its own rounding and saturation are not ours to answer for.
    fused = onnxruntime.InferenceSession(small, providers=["CPUExecutionProvider"])
    assert [value.shape for value in fused.run(None, subject.inputs)] == [v.shape for v in expected.values()]


@pytest.mark.parametrize("name", ["dynamic", "static", "weights", "pruned-static"])
def test_the_report_tells_what_the_file_does(name, test_set, tmp_path):
    data = ["--calibration", TRAIN_SET, "--evaluation", TEST_SET]
    small, report = compressed(DIGITS, RECIPES[name][0], tmp_path, *data)
    logits = ours(small, {"pixels": test_set["pixels"]}, tmp_path)["logits"]
    theirs = plain_session(small).run(None, {"pixels": test_set["pixels"]})[0]
    assert (logits.argmax(1) == theirs.argmax(1)).mean() >= 0.995
    measured = (logits.argmax(1) == test_set["labels"]).mean()
    assert report["after"]["metric"]["value"] == pytest.approx(measured, abs=0.005)
    assert report["after"]["file_bytes"] == small.stat().st_size
