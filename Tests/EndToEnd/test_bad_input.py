"""Bad input gets a 4xx that names the problem, and the server goes on."""

import gzip
import json
import zlib

import numpy as np
import onnx
import pytest
from conftest import DIGITS, HTTP_VERSIONS, REQUEST
from onnx import TensorProto, helper

INFER = "/v2/models/digits/infer"


def request(**changes):
    tensor = {"name": "pixels", "shape": [1, 64], "datatype": "FP32", "data": [0.0] * 64}
    tensor.update(changes)
    return {"inputs": [tensor]}


@pytest.mark.parametrize(
    "body, names",
    [
        (b'{"inputs": [', ""),
        (b"", ""),
        (b"[" * 100_000, ""),
        (json.dumps(request(datatype="INT64", data=[0] * 64)).encode(), "pixels"),
        (json.dumps(request(shape=[1, 63], data=[0.0] * 63)).encode(), "pixels"),
        (json.dumps(request(shape=[-1, 64])).encode(), "pixels"),
        (json.dumps(request(shape=[2**62, 64])).encode(), "pixels"),
        (json.dumps(request(data=[0.0] * 63)).encode(), "pixels"),
        (json.dumps(request(name="pixel")).encode(), "pixel"),
        (json.dumps({"inputs": []}).encode(), "pixels"),
        (json.dumps(request(datatype="FLOAT")).encode(), "FLOAT"),
        (json.dumps(request(data=["a"] * 64)).encode(), "pixels"),
    ],
    ids=["truncated", "empty", "deep", "dtype", "shape", "negative", "overflow", "count", "name", "none",
         "unknown-dtype", "strings"],
)
@pytest.mark.parametrize("version", HTTP_VERSIONS[:2])
def test_infer_body(server, body, names, version):
    reply = server.post(INFER, body, version)
    assert reply.status == 400
    assert names in reply.error
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/v2/models/nobody/infer", "/v2/models/digits/versions/7/infer"])
def test_unknown_model(server, path):
    reply = server.post(path, request())
    assert reply.status == 404
    assert "is not found" in reply.error


def test_unknown_path_and_method(server):
    assert server.get("/v2/nothing").status == 404
    assert server.curl(INFER, "-X", "DELETE").status == 405


@pytest.mark.parametrize("version", HTTP_VERSIONS[:2])
def test_body_too_large(server, tmp_path, version):
    large = tmp_path / "large.json"
    with open(large, "wb") as file:
        file.truncate(3 << 30)
    reply = server.curl(INFER, version, "-X", "POST", "-T", large)
    assert reply.status == 413


@pytest.mark.parametrize("version", HTTP_VERSIONS[:2])
def test_gzip_bomb(server, tmp_path, version):
    bomb = tmp_path / "bomb.gz"
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    with open(bomb, "wb") as file:
        for _ in range(4096):
            file.write(compressor.compress(bytes(1 << 20)))
        file.write(compressor.flush())
    reply = server.curl(INFER, version, "-H", "Content-Encoding: gzip", "--data-binary", f"@{bomb}")
    assert reply.status == 413


def test_gzip_body_is_read(server):
    body = gzip.compress(REQUEST.read_bytes())
    assert server.post(INFER, body, "-H", "Content-Encoding: gzip").status == 200


def test_unknown_content_coding(server):
    assert server.post(INFER, b"x", "-H", "Content-Encoding: br").status == 415


def lying_model():
    """Its weight claims 2^40 elements and has 64 bytes."""
    model = onnx.load(DIGITS)
    weight = model.graph.initializer[0]
    weight.dims[:] = [1 << 20, 1 << 20]
    weight.raw_data = bytes(64)
    return model.SerializeToString()


def escaping_model():
    model = onnx.load(DIGITS)
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    return model.SerializeToString()


def unsupported_model():
    node = helper.make_node("Frobnicate", ["x"], ["y"], name="strange", domain="com.example")
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 4]) for n in ("x", "y")]
    graph = helper.make_graph([node], "g", value[:1], value[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: DIGITS.read_bytes()[:100_000], ""),
        (lambda: b"not a model at all", ""),
        (lambda: b"", ""),
        (lying_model, "fc1.weight"),
        (escaping_model, "fc1.weight"),
        (unsupported_model, "Frobnicate"),
    ],
    ids=["truncated", "text", "empty", "lying", "escaping", "unsupported"],
)
def test_bad_model(server, tmp_path, make, says):
    file = tmp_path / "bad.onnx"
    file.write_bytes(make())
    reply = server.put("/v2/repository/models/bad", file)
    assert 400 <= reply.status < 500, reply.body
    assert says in reply.error
    assert "root:" not in reply.error
    assert server.get("/v2/models/bad").status == 404
    assert not list(server.data.glob("**/bad"))


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "a%00b", ".hidden", "x" * 200, "a%2Fb"])
def test_bad_model_name(server, name):
    reply = server.put(f"/v2/repository/models/{name}", DIGITS)
    assert 400 <= reply.status < 500


@pytest.mark.parametrize(
    "recipe, says",
    [
        ({"steps": [{"prune": {"method": "guess"}}]}, "guess"),
        ({"steps": [{"shrink": {}}]}, "shrink"),
        ({"steps": [{"prune": {"sparsity": 1.5}}]}, "sparsity"),
        ({"preset": "tiny"}, "tiny"),
        ({"steps": [], "colour": "red"}, "colour"),
        ({"steps": [{"quantize": {"weights": "int9"}}]}, "int9"),
        ({"steps": [{"quantize": {"granularity": "group", "group": 2**31}}]}, "steps[0].quantize.group"),
        ({"steps": [{"quantize": {"calibrator": "percentile", "percentile": 0}}]}, "steps[0].quantize.percentile"),
        ({"steps": [{"share_weights": {"clusters": 10**300}}]}, "steps[0].share_weights.clusters"),
        ({"steps": [{"merge": {"model": "../../etc/passwd"}}]}, "'..' is not a valid name"),
        ({"steps": [{"equalize": {}}, {"prune": {"sparsity": None}}]}, "steps[1].prune.sparsity"),
        ({"preset": "safe", "calibration": {"dataset": "digits-train", "samples": 10**9}}, "calibration.samples"),
        ({"preset": "safe", "evaluation": {"dataset": "digits-test", "batches": [0]}}, "evaluation.batches[0]"),
        ({"preset": "safe", "constraints": {"size_max": -1}}, "constraints.size_max"),
        ({"search": {"seconds": 0}}, "search.seconds"),
        (b'{"steps":[{"prune":{"sparsity":NaN}}]}', "not JSON"),
        (b'{"steps":' + b"[" * 100_000, "not JSON"),
        (b"null", "the recipe"),
    ],
)
def test_bad_recipe(server, recipe, says):
    reply = server.post("/v2/models/digits/compress", recipe)
    assert reply.status == 400
    assert says in reply.error


def test_unknown_dataset(server):
    reply = server.post("/v2/models/digits/compress", {"preset": "safe", "evaluation": {"dataset": "nobody"}})
    assert 400 <= reply.status < 500
    assert "nobody" in reply.error


@pytest.mark.parametrize("body", [b"", b"hello", DIGITS.read_bytes()[:1000]], ids=["empty", "text", "truncated"])
def test_bad_model_in_one_call(server, tmp_path, body):
    file = tmp_path / "bad.onnx"
    file.write_bytes(body)
    reply = server.put("/v2/compress?quantize=int8", file)
    assert reply.status == 422
    assert "not a valid ONNX file" in reply.error


@pytest.mark.parametrize(
    "change, says",
    [
        ({"labels": np.full(8, 99)}, "label 99 is no class"),
        ({"pixels": np.full((8, 64), np.nan, np.float32)}, "NaN"),
        ({"pixels": np.zeros((8, 63), np.float32)}, "array 'pixels' has shape [8,63]"),
        ({"pixels": np.zeros((8, 64), np.int64)}, "array 'pixels' holds int64"),
    ],
    ids=["label", "nan", "shape", "dtype"],
)
def test_data_that_judge_nothing(server, uploaded, tmp_path, change, says):
    """They are taken, as another model may suit them; the job says what is wrong."""
    file = tmp_path / "data.npz"
    np.savez(file, **{"pixels": np.zeros((8, 64), np.float32), "labels": np.zeros(8, np.int64), **change})
    name = uploaded.replace("_", "-")
    assert server.put(f"/v2/datasets/{name}", file).status == 201
    reply = server.post(f"/v2/models/{uploaded}/compress", {"preset": "balanced", "evaluation": {"dataset": name}})
    job = server.finished_job(reply.json["id"])
    assert job["state"] == "failed"
    assert says in job["error"]
    assert server.get(f"/v2/models/{uploaded}").json["versions"] == ["1"]


def test_unknown_job(server):
    assert server.get("/v2/jobs/999999").status == 404
