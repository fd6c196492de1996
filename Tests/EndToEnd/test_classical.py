"""Operators of ai.onnx.ml agree with onnxruntime, and the models that scikit-learn's converter makes can be served."""

import json
import struct

import classical_graphs
import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import run_adze

ROWS = np.array([[0.5, 1.5], [-2.0, 0.25], [3.0, -1.0]], np.float32)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classical")
    result = {}
    for name in ("everything", "zipped_classifier", "colour_encoder"):
        result[name] = folder / f"{name}.onnx"
        onnx.save(getattr(classical_graphs, name)(), result[name])
    return result


def test_every_variant(paths, tmp_path):
    x = np.concatenate([np.linspace(-3, 3, 41), [np.nan, 0.0, 2.0]]).astype(np.float32).reshape(-1, 1)
    whole = np.arange(-4, 5).reshape(-1, 1)
    inputs = {"x": x, "x_float": x[:-3], "x_double": x[:-3].astype(np.float64), "x_int64": whole,
              "x_int32": whole.astype(np.int32)}
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(paths["everything"], settings)
    expected = session.run(None, inputs)
    np.savez(tmp_path / "in.npz", **inputs)
    run_adze("run", paths["everything"], "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz")
    wrong = []
    with np.load(tmp_path / "out.npz") as actual:
        for output, values in zip(session.get_outputs(), expected):
            computed = actual[output.name]
            assert computed.shape == values.shape and computed.dtype == values.dtype, output.name
            if values.dtype.kind == "f":
                scale = max(1.0, float(np.abs(values[np.isfinite(values)]).max(initial=0)))
                agree = np.allclose(computed / scale, values / scale, rtol=0, atol=1e-5, equal_nan=True)
            else:
                agree = np.array_equal(computed, values)
            if not agree:
                wrong.append((output.name, computed.tolist()[:4], values.tolist()[:4]))
    assert len(expected) > 600
    assert not wrong


def expected_classes(path):
    labels, maps = onnxruntime.InferenceSession(path).run(None, {"input": ROWS})
    return list(labels), maps


def test_run_prints_maps(paths, tmp_path):
    np.savez(tmp_path / "in.npz", input=ROWS)
    done = run_adze(
        "run", paths["zipped_classifier"], "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz")
    labels, maps = expected_classes(paths["zipped_classifier"])
    printed = json.loads(done.stdout)["output_probability"]
    assert [list(row) for row in printed] == [list(row) for row in maps]
    for row, wanted in zip(printed, maps):
        np.testing.assert_allclose(list(row.values()), list(wanted.values()), atol=1e-6)
    with np.load(tmp_path / "out.npz") as outputs:
        assert outputs["output_label"].tolist() == labels


@pytest.fixture(scope="module")
def served(server, paths):
    for name in ("zipped_classifier", "colour_encoder"):
        reply = server.put(f"/v2/repository/models/{name}", paths[name])
        assert reply.status == 201, reply.body
    yield server
    for name in ("zipped_classifier", "colour_encoder"):
        server.delete(f"/v2/repository/models/{name}")


def test_zipmap_is_served_as_scores(served, paths):
    metadata = served.get("/v2/models/zipped_classifier").json
    label, scores = metadata["outputs"]
    assert label == {"name": "output_label", "datatype": "BYTES", "shape": [-1]}
    assert scores == {"name": "output_probability", "datatype": "FP32", "shape": [-1, 3],
                      "parameters": {"labels": ["setosa", "versicolor", "virginica"]}}
    reply = served.post("/v2/models/zipped_classifier/infer", {"inputs": [
        {"name": "input", "shape": [3, 2], "datatype": "FP32", "data": ROWS.ravel().tolist()}]})
    assert reply.status == 200, reply.body
    outputs = {output["name"]: output for output in reply.json["outputs"]}
    labels, maps = expected_classes(paths["zipped_classifier"])
    assert outputs["output_label"]["data"] == labels
    assert outputs["output_probability"]["shape"] == [3, 3]
    columns = scores["parameters"]["labels"]
    wanted = [row[column] for row in maps for column in columns]
    np.testing.assert_allclose(outputs["output_probability"]["data"], wanted, atol=1e-6)


def test_classification_names_the_classes(served):
    reply = served.post("/v2/models/zipped_classifier/infer", {
        "inputs": [{"name": "input", "shape": [1, 2], "datatype": "FP32", "data": ROWS[0].tolist()}],
        "outputs": [{"name": "output_probability", "parameters": {"classification": 1}}]})
    assert reply.status == 200, reply.body
    (best,) = reply.json["outputs"][0]["data"]
    assert best.split(":")[1:] == ["1", "versicolor"]


COLOURS = ["grün", "blue", "red"]
PLACES = [3, -5, 1]
HOT = [0, 0, 1, 0, 0, 0, 1, 0, 0]


def test_strings_in_json(served):
    reply = served.post("/v2/models/colour_encoder/infer", {"inputs": [
        {"name": "colour", "shape": [3, 1], "datatype": "BYTES", "data": COLOURS}]})
    assert reply.status == 200, reply.body
    outputs = {output["name"]: output["data"] for output in reply.json["outputs"]}
    assert outputs == {"hot": HOT, "place": PLACES}


def test_strings_in_binary(served):
    data = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in COLOURS)
    header = json.dumps({
        "inputs": [{"name": "colour", "shape": [3, 1], "datatype": "BYTES",
                    "parameters": {"binary_data_size": len(data)}}],
        "outputs": [{"name": "place", "parameters": {"binary_data": True}}]}).encode()
    reply = served.post(
        "/v2/models/colour_encoder/infer", header + data, "-H", f"Inference-Header-Content-Length: {len(header)}")
    assert reply.status == 200, reply.body
    length = int(reply.headers["inference-header-content-length"])
    assert np.frombuffer(reply.body[length:], np.int64).tolist() == PLACES
