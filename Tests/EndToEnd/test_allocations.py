"""A run of a planned model allocates nothing: many more runs make hardly more calls of malloc."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import ADZE, CNN, DIGITS, ROOT, TEST_SET, run_adze
from onnx import TensorProto, helper, numpy_helper

# What bench's own list of latencies, the threads and the exit take: independent of the number of calls but for the
# list's doublings.
SLACK = 300


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    library = tmp_path_factory.mktemp("counter") / "allocations.so"
    compiler = shutil.which("clang") or shutil.which("cc")
    source = Path(__file__).parent / "allocations.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    return library


def lstm(path):
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal(shape).astype(np.float32) * 0.1
              for name, shape in {"w": (2, 64, 8), "r": (2, 64, 16), "b": (2, 128)}.items()}
    node = helper.make_node("LSTM", ["x", "w", "r", "b"], ["y"], hidden_size=16, direction="bidirectional")
    graph = helper.make_graph(
        [node], "lstm", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [12, 3, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [12, 2, 3, 16])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()])
    opset = [helper.make_opsetid("", 14)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def rows(path):
    """Whose batch of three is run row by row."""
    weights = np.random.default_rng(1).standard_normal((16, 16, 1, 1)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])],
        "rows", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16, 64, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 16, 64, 64])],
        [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), path)
    return path


def quantized(source, activations, path):
    recipe = path.with_suffix(".json")
    recipe.write_text(json.dumps({"steps": [{"quantize": {"weights": "int8", "activations": activations}}]}))
    run_adze("compress", source, path, "--recipe", recipe, "--calibration", TEST_SET)
    return path


MODELS = {
    "mlp": lambda folder: DIGITS,
    "cnn": lambda folder: CNN,
    "rows": lambda folder: rows(folder / "rows.onnx"),
    "lstm": lambda folder: lstm(folder / "lstm.onnx"),
    "mlp-dynamic-int8": lambda folder: quantized(DIGITS, "dynamic", folder / "dynamic.onnx"),
    "mlp-static-int8": lambda folder: quantized(DIGITS, "static", folder / "static.onnx"),
    "cnn-static-int8": lambda folder: quantized(CNN, "static", folder / "cnn.onnx"),
}


def allocations(counter, model, threads, seconds, folder):
    """Calls of malloc of one bench run, and how often that ran the model."""
    file = folder / "count.txt"
    environment = {**os.environ, "LD_PRELOAD": str(counter), "COUNT_ALLOCATIONS": str(file)}
    command = [ADZE, "bench", model, "--batch", 3, "--threads", threads, "--seconds", seconds, "--json"]
    result = subprocess.run(list(map(str, command)), env=environment, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return int(file.read_text()), json.loads(result.stdout)["calls"]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_steady_state_allocates_nothing(counter, name, threads, tmp_path):
    model = MODELS[name](tmp_path)
    few, calls_of_few = allocations(counter, model, threads, 0.02, tmp_path)
    many, calls_of_many = allocations(counter, model, threads, 0.4, tmp_path)
    more_calls = calls_of_many - calls_of_few
    assert few > 1000, "the counter does not count"
    assert more_calls > 4 * SLACK, "too few runs to tell"
    assert many - few < SLACK, f"{many - few} more allocations in {more_calls} more runs"


def test_the_counter_sees_one_allocation_a_run(counter, tmp_path):
    """An operator whose result depends on data runs on values of its own: the measure must show that."""
    graph = helper.make_graph(
        [helper.make_node("NonZero", ["x"], ["y"])], "dynamic",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [1, None])])
    model = tmp_path / "dynamic.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), model)
    few, calls_of_few = allocations(counter, model, 1, 0.02, tmp_path)
    many, calls_of_many = allocations(counter, model, 1, 0.4, tmp_path)
    assert many - few > calls_of_many - calls_of_few
