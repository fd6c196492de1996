"""Unloading a model gives its memory back, in a server that does nothing else meanwhile."""

import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH = 3072
WEIGHT_BYTES = WIDTH * WIDTH * 4


def wide(path):
    """y[batch, width] = x[batch, width] W, with 36 MiB of weights."""
    weight = np.random.default_rng(0).standard_normal((WIDTH, WIDTH)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "wide",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", WIDTH])],
        [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


def eventually(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_unloading_gives_the_memory_back(own_server, tmp_path):
    assert own_server.put("/v2/repository/models/wide", wide(tmp_path / "wide.onnx")).status == 201
    request = {"inputs": [{"name": "x", "shape": [1, WIDTH], "datatype": "FP32", "data": [1] * WIDTH}]}
    for _ in range(3):
        assert own_server.post("/v2/repository/models/wide/load", {}).status == 200
        assert own_server.post("/v2/models/wide/infer", request).status == 200
        loaded = own_server.resident_bytes
        assert own_server.post("/v2/repository/models/wide/unload", {}).status == 200
        assert eventually(lambda: own_server.resident_bytes < loaded - WEIGHT_BYTES * 3 // 4), (
            f"{own_server.resident_bytes} of {loaded} bytes are still resident")
