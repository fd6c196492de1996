"""Every file that a recipe writes is standard ONNX, and other runtimes get our answers from it."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import CNN, DIGITS, ROOT, TEST_SET, run_adze

TRAIN_SET = ROOT / "config" / "datasets" / "digits-train.npz"


def quantize(**members):
    return {"quantize": members}


PRUNE = {"prune": {"sparsity": 0.5}}
CHANNELS = {"prune": {"structure": "channel", "sparsity": 0.5}}
RECIPES = {
    "dynamic": [quantize(activations="dynamic")],
    "dynamic-uint8": [quantize(activations="dynamic", weights="uint8")],
    "dynamic-tensor": [quantize(activations="dynamic", granularity="tensor")],
    "static": [quantize(activations="static")],
    "static-uint8": [quantize(activations="static", weights="uint8")],
    "static-tensor": [quantize(activations="static", granularity="tensor")],
    "static-moving-average": [quantize(activations="static", calibrator="moving_average")],
    "static-percentile": [quantize(activations="static", calibrator="percentile", percentile=99.9)],
    "static-entropy": [quantize(activations="static", calibrator="entropy")],
    "static-mse": [quantize(activations="static", calibrator="mse")],
    "weights": [quantize(activations="none")],
    "pruned": [PRUNE],
    "pruned-dynamic": [PRUNE, quantize(activations="dynamic")],
    "pruned-static": [PRUNE, quantize(activations="static")],
    "channels": [CHANNELS],
    "channels-static": [CHANNELS, quantize(activations="static")],
    "shared": [{"share_weights": {"clusters": 16}}],
    "low-rank": [{"low_rank": {"parameters": 0.5}}],
    "low-rank-dynamic": [{"low_rank": {"parameters": 0.5}}, quantize(activations="dynamic")],
}


def plain_session(path):
    """onnxruntime without rewriting, so that it computes what the file says."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def sqnr(expected, actual):
    noise = np.linalg.norm(expected - actual)
    return np.inf if noise == 0 else 20 * np.log10(np.linalg.norm(expected) / noise)


@pytest.mark.parametrize("model, name", [(DIGITS, "pixels"), (CNN, "image")], ids=["mlp", "cnn"])
@pytest.mark.parametrize("steps", RECIPES.values(), ids=RECIPES.keys())
def test_onnxruntime_agrees(model, name, steps, test_set, tmp_path):
    recipe, small = tmp_path / "recipe.json", tmp_path / "small.onnx"
    recipe.write_text(json.dumps({"steps": steps}))
    run_adze(
        "compress", model, small, "--recipe", recipe, "--calibration", TRAIN_SET, "--evaluation", TEST_SET,
        "--report", tmp_path / "report.json",
    )
    onnx.checker.check_model(onnx.load(small), full_check=True)

    inputs, outputs = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(inputs, **{name: test_set[name]})
    run_adze("run", small, "--inputs", inputs, "--outputs", outputs)
    with np.load(outputs) as arrays:
        ours = arrays["logits"]
    theirs = plain_session(small).run(None, {name: test_set[name]})[0]
    assert (ours.argmax(1) == theirs.argmax(1)).mean() >= 0.995
    assert sqnr(theirs, ours) >= 60

    # The optimizing runtime loads it too; its own rounding and saturation are not ours to answer for.
    fused = onnxruntime.InferenceSession(small, providers=["CPUExecutionProvider"])
    assert fused.run(None, {name: test_set[name]})[0].shape == ours.shape

    report = json.loads((tmp_path / "report.json").read_text())
    measured = (ours.argmax(1) == test_set["labels"]).mean()
    assert report["after"]["metric"]["value"] == pytest.approx(measured, abs=0.005)
    assert report["after"]["file_bytes"] == small.stat().st_size
