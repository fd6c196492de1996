"""Whole models agree with onnxruntime, on one and on two threads, at several batch sizes and lengths."""

from pathlib import Path

import models
import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import run_adze


def check(path, inputs, tmp_path, threads):
    np.savez(tmp_path / "in.npz", **inputs)
    run_adze("run", path, "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz", "--threads", threads)
    session = onnxruntime.InferenceSession(path)
    expected = session.run(None, inputs)
    with np.load(tmp_path / "out.npz") as actual:
        for output, values in zip(session.get_outputs(), expected):
            scale = max(1e-6, float(np.abs(values).max(initial=0)))
            assert actual[output.name].shape == values.shape
            np.testing.assert_allclose(actual[output.name] / scale, values / scale, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    result = {}
    for name in ("mlp", "cnn", "bert"):
        model = getattr(models, name)()
        onnx.checker.check_model(model, full_check=True)
        result[name] = folder / f"{name}.onnx"
        onnx.save(model, result[name])
    result["squeezenet"] = Path(onnx.__file__).parent / "backend/test/data/light/light_squeezenet.onnx"
    return result


def images(batch, size, name):
    return {name: np.random.default_rng(2).normal(0, 1, (batch, 3, size, size)).astype(np.float32)}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [1, 3, 33])
def test_mlp(paths, tmp_path, batch, threads):
    x = np.random.default_rng(1).normal(0, 1, (batch, 784)).astype(np.float32)
    check(paths["mlp"], {"x": x}, tmp_path, threads)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [1, 4])
def test_cnn(paths, tmp_path, batch, threads):
    check(paths["cnn"], images(batch, 32, "x"), tmp_path, threads)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch, sequence", [(1, 1), (1, 17), (2, 33), (5, 64)])
def test_bert(paths, tmp_path, batch, sequence, threads):
    check(paths["bert"], models.bert_inputs(batch, sequence), tmp_path, threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_light_squeezenet(paths, tmp_path, threads):
    name = onnxruntime.InferenceSession(paths["squeezenet"]).get_inputs()[0].name
    check(paths["squeezenet"], images(1, 224, name), tmp_path, threads)
