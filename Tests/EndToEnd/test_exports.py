"""Graphs as exporters write them, through `adze run` and through the server: the answers are onnxruntime's, requests
that run at the same time get what each gets alone, and the server knows which models it may batch."""

import sys
import threading
from pathlib import Path

import exported_graphs
import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import ROOT
from onnx import TensorProto, helper

sys.path.insert(0, str(ROOT / "scripts"))
import compare_exports  # noqa: E402

TOLERANCE = {"half": 2e-3}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """By name: path, inputs, answers, whether it may be batched."""
    folder, result = tmp_path_factory.mktemp("exports"), {}
    for name, make in exported_graphs.ALL.items():
        model, cases, may_batch = make()
        onnx.checker.check_model(model, full_check=True)
        path = folder / f"{name}.onnx"
        onnx.save(model, path)
        session = onnxruntime.InferenceSession(path)
        names = [output.name for output in session.get_outputs()]
        answers = [dict(zip(names, session.run(None, case))) for case in cases]
        result[name] = path, cases, answers, may_batch
    return result


def upload(server, name, path):
    reply = server.put(f"/v2/repository/models/{name}", path)
    assert reply.status == 201, reply.body


@pytest.mark.parametrize("name", exported_graphs.ALL)
def test_run_and_server_agree_with_onnxruntime(server, made, tmp_path, name):
    path, cases, answers, may_batch = made[name]
    upload(server, name, path)
    for case, expected in zip(cases, answers):
        for actual in (compare_exports.run(path, case, tmp_path), compare_exports.infer(server, name, case)):
            assert compare_exports.difference(expected, actual) <= TOLERANCE.get(name, 1e-4)
    parameters = server.get(f"/v2/models/{name}").json["parameters"]
    config = server.get(f"/v2/models/{name}/config").json
    assert config["max_batch_size"] == parameters["max_batch_size"]
    assert (parameters["max_batch_size"] > 0) == may_batch, parameters
    if not may_batch:
        assert config["parameters"]["unbatched_because"]["string_value"] == parameters["unbatched_because"] != ""


@pytest.mark.parametrize("name", [n for n, make in exported_graphs.ALL.items() if make()[2]])
def test_requests_at_the_same_time_get_their_own_answers(server, made, name):
    """Rows differ from request to request, so that a mixed-up batch shows."""
    path, cases, _, _ = made[name]
    model = f"{name}-together"
    upload(server, model, path)
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    random = np.random.default_rng(5)
    case = cases[-1] if all(array.shape[0] for array in cases[-1].values()) else cases[0]
    requests = []
    for _ in range(24):
        order = random.integers(0, next(iter(case.values())).shape[0], 1 + random.integers(0, 2))
        request = {key: array[order].copy() for key, array in case.items()}
        for key, array in request.items():
            if array.dtype == np.float32:
                request[key] = array * np.float32(random.uniform(0.5, 1.5))
        requests.append((request, dict(zip(names, session.run(None, request)))))
    failures = []

    def send(request, expected):
        try:
            error = compare_exports.difference(expected, compare_exports.infer(server, model, request))
            if error > TOLERANCE.get(name, 1e-4):
                failures.append(error)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=send, args=request) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_external_data(server, made, tmp_path):
    model, cases, _ = exported_graphs.vit()
    path = tmp_path / "external.onnx"
    onnx.save(model, path, save_as_external_data=True, location="external.onnx.data", size_threshold=64)
    expected = made["vit"][2][1]
    assert compare_exports.difference(expected, compare_exports.run(path, cases[1], tmp_path)) <= 1e-4
    assert server.put("/v2/repository/models/external", path).status == 201
    data = tmp_path / "external.onnx.data"
    assert server.put("/v2/repository/models/external/versions/1/files/external.onnx.data", data).status == 201
    assert compare_exports.difference(expected, compare_exports.infer(server, "external", cases[1])) <= 1e-4


def test_sequence_output_is_refused_by_name(server, tmp_path):
    node = helper.make_node("SplitToSequence", ["x"], ["parts"], axis=1)
    parts = helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])
    model = helper.make_model(helper.make_graph([node], "g", [x], [parts]), opset_imports=[helper.make_opsetid("", 17)],
                              ir_version=8)
    onnx.save(model, tmp_path / "parts.onnx")
    reply = server.put("/v2/repository/models/parts", tmp_path / "parts.onnx")
    assert reply.status == 400
    assert "output 'parts' is a sequence" in reply.error


@pytest.mark.parametrize("shape, datatype, word", [
    ([2, 3, 8, 8], "FP32", "x"), ([3, 8, 8], "FP32", "x"), ([1, 3, 8, 0], "FP32", "x"), ([1, 3, 8, 8], "INT64", "x")])
def test_requests_that_do_not_fit_a_fixed_shape(server, made, shape, datatype, word):
    if server.get("/v2/models/fixed/ready").status != 200:
        upload(server, "fixed", made["fixed_shape"][0])
    data = [0] * int(np.prod(shape))
    reply = server.post("/v2/models/fixed/infer", {"inputs": [
        {"name": "x", "shape": shape, "datatype": datatype, "data": data}]})
    assert reply.status == 400
    assert f"'{word}'" in reply.error


def test_shapes_that_the_graph_refuses_are_the_requests_fault(server, made):
    """30 x 30 does not come back from two poolings and one doubling with the size of the skipped part."""
    if server.get("/v2/models/unet/ready").status != 200:
        upload(server, "unet", made["unet"][0])
    reply = server.post("/v2/models/unet/infer", {"inputs": [
        {"name": "x", "shape": [1, 3, 30, 30], "datatype": "FP32", "data": [0] * 2700}]})
    assert reply.status == 400
    assert "node" in reply.error


def test_ever_new_shapes_do_not_take_ever_more_memory(own_server, made):
    """Plans are made for each shape and forgotten again."""
    upload(own_server, "decoder", made["decoder_with_past"][0])

    def send(lengths):
        for length in lengths:
            case = exported_graphs.decoder_inputs(1 + length % 3, 1 + length % 7, length % 211)
            compare_exports.infer(own_server, "decoder", case)

    send(range(300))
    before = own_server.resident_bytes
    send(range(300, 2300))
    assert own_server.resident_bytes < before + (32 << 20)


@pytest.mark.skipif(not (Path.home() / ".cache/adze-exports").exists(), reason="scripts/compare_exports.py fetches it")
def test_silero(server, tmp_path):
    models = sorted((Path.home() / ".cache/adze-exports").glob("silero-vad-*/*.onnx"))
    assert models
    for path in models:
        session = onnxruntime.InferenceSession(path)
        server.curl("/v2/repository/models/silero", "-X", "DELETE")
        upload(server, "silero", path)
        names = [output.name for output in session.get_outputs()]
        for case in compare_exports.cases("silero", session):
            try:
                expected = dict(zip(names, session.run(None, case)))
            except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument:
                continue
            assert compare_exports.difference(expected, compare_exports.infer(server, "silero", case)) <= 1e-4
            assert compare_exports.difference(expected, compare_exports.run(path, case, tmp_path)) <= 1e-4
