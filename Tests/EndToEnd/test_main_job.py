"""The main job, end to end: infer, upload, compress, infer again, download."""

from xml.etree import ElementTree

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import CNN, DIGITS, HTTP_VERSIONS, REQUEST


def accuracy(logits, labels):
    return 100 * float((logits.argmax(1) == labels).mean())


def compress(server, model, recipe):
    reply = server.post(f"/v2/models/{model}/compress", recipe)
    assert reply.status == 202, reply.body
    job = server.finished_job(reply.headers["location"].rsplit("/", 1)[1])
    assert job["state"] == "done", job
    return job


def recipe(*steps, **more):
    return {"steps": list(steps), "evaluation": {"dataset": "digits-test", "metric": "accuracy"}, **more}


DYNAMIC = {"quantize": {"weights": "int8", "activations": "dynamic"}}
STATIC = {"quantize": {"weights": "int8", "activations": "static", "calibrator": "minmax"}}
PRUNE_HALF = {"prune": {"method": "magnitude", "sparsity": 0.5}}
CALIBRATION = {"dataset": "digits-train", "samples": 256}


@pytest.mark.parametrize("version", HTTP_VERSIONS)
def test_infer_over_every_http_version(server, version):
    reply = server.curl("/v2/models/digits/infer", version, "-d", f"@{REQUEST}")
    assert reply.status == 200
    assert reply.json["model_name"] == "digits"
    assert int(np.argmax(reply.json["outputs"][0]["data"])) == 1


def test_fp32_is_onnxruntime_to_the_last_sample(server, test_set):
    expected = onnxruntime.InferenceSession(DIGITS).run(None, {"pixels": test_set["pixels"]})[0]
    actual = server.infer("digits", test_set["pixels"])
    assert (actual.argmax(1) == expected.argmax(1)).all()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)
    assert accuracy(actual, test_set["labels"]) == pytest.approx(98.19, abs=0.005)


@pytest.mark.parametrize(
    "steps, more, drop",
    [
        ([DYNAMIC], {}, 0.5),
        ([STATIC], {"calibration": CALIBRATION}, 0.5),
        ([PRUNE_HALF, DYNAMIC], {}, 3.0),
        ([PRUNE_HALF, STATIC], {"calibration": CALIBRATION}, 3.0),
    ],
    ids=["dynamic", "static", "prune-dynamic", "prune-static"],
)
def test_compressed_digits(server, uploaded, test_set, tmp_path, steps, more, drop):
    job = compress(server, uploaded, recipe(*steps, **more))
    assert job["version"] in (2, "2")

    small = server.get(f"/v2/repository/models/{uploaded}/versions/2/files/model.onnx")
    assert small.status == 200
    assert len(small.body) <= 0.30 * DIGITS.stat().st_size

    logits = server.infer(uploaded, test_set["pixels"], version=2)
    assert accuracy(logits, test_set["labels"]) >= 98.19 - drop

    model = onnx.load_from_string(small.body)
    onnx.checker.check_model(model, full_check=True)
    other = onnxruntime.InferenceSession(small.body).run(None, {"pixels": test_set["pixels"]})[0]
    assert (other.argmax(1) == logits.argmax(1)).mean() >= 0.99
    keys = {entry.key for entry in model.metadata_props}
    assert any("sha256" in key for key in keys) and any("recipe" in key for key in keys)


def test_report_says_what_happened(server, uploaded):
    compress(server, uploaded, recipe(PRUNE_HALF, DYNAMIC))
    report = server.get(f"/v2/models/{uploaded}/versions/2/report").json
    text = str(report).lower()
    for word in ("before", "after", "p50", "gzip", "wilson", "layers", "agreement"):
        assert word in text or word == "wilson" and "interval" in text, f"the report says nothing about {word}"


def test_report_is_a_page_for_browsers(server, uploaded):
    job = compress(server, uploaded, recipe(PRUNE_HALF, DYNAMIC, label="half"))
    for path in (f"/v2/models/{uploaded}/versions/2/report", f"/v2/jobs/{job['id']}"):
        page = server.get(path, "-H", "Accept: text/html")
        assert page.status == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
        root = ElementTree.fromstring(page.body)
        assert root.find("head/title").text == "half: compression report"
        assert "98.19 %" in page.body.decode()
        assert root.find(".//script") is None
        assert server.get(path).headers["content-type"] == "application/json"


def test_models_are_merged(server, uploaded, test_set):
    """Half of the way from a model to itself is the model; a name that is none is refused."""
    compress(server, uploaded, recipe({"merge": {"model": f"{uploaded}/1", "alpha": 0.5}}))
    before, after = (server.infer(uploaded, test_set["pixels"], version=v) for v in (1, 2))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)
    for name, status in (("nobody", 404), ("digits/99", 404), ("../digits", 400)):
        reply = server.post(f"/v2/models/{uploaded}/compress", {"steps": [{"merge": {"model": name}}]})
        assert reply.status == status, reply.body


def test_compressed_cnn_agrees(server, test_set, tmp_path):
    name = "cnn-static"
    assert server.put(f"/v2/repository/models/{name}", CNN).status == 201
    compress(server, name, recipe(STATIC, calibration=CALIBRATION))
    before = server.infer(name, test_set["image"], "image", version=1)
    after = server.infer(name, test_set["image"], "image", version=2)
    assert (before.argmax(1) == after.argmax(1)).mean() >= 0.98
    server.delete(f"/v2/repository/models/{name}")


@pytest.mark.parametrize("version", HTTP_VERSIONS[:2])
def test_compress_in_one_call(server, tmp_path, test_set, version):
    reply = server.curl("/v2/compress?quantize=int8", version, "-T", DIGITS)
    assert reply.status == 200, reply.body
    assert reply.headers["location"].startswith("/v2/jobs/")
    logits = onnxruntime.InferenceSession(reply.body).run(None, {"pixels": test_set["pixels"]})[0]
    assert accuracy(logits, test_set["labels"]) >= 97.69


def test_survives_restart(own_server, test_set):
    own_server.put("/v2/repository/models/kept", DIGITS)
    job = compress(own_server, "kept", recipe(DYNAMIC))
    before = own_server.infer("kept", test_set["pixels"][:5], version=2)
    assert own_server.stop() == 0
    own_server.start()
    after = own_server.infer("kept", test_set["pixels"][:5], version=2)
    np.testing.assert_array_equal(before, after)
    assert own_server.get(f"/v2/jobs/{job['id']}").json["state"] == "done"


def test_delete_removes(server, uploaded):
    assert server.delete(f"/v2/repository/models/{uploaded}").status in (200, 204)
    assert server.get(f"/v2/models/{uploaded}").status == 404
