#!/usr/bin/env python3
"""Nanoseconds an element of operators that are computed with plain loops, one model of one node each.

usage: scripts/bench_operators.py [--only TEXT] [--binary PATH …] [--seconds 0.1]

With several binaries they run in turn and get a column each, as builds before and after a change. One thread; an element
is one of the output, but of the input where a node reduces. Makes .venv-bench when it is missing.
"""
import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import environment
import peers

N = 1 << 18


def cases():
    """(name, op, arrays, attributes, elements): arrays of rank 0 or of int64 named by a tuple are constants."""
    import numpy as np

    random = np.random.default_rng(0)

    def array(kind, *shape):
        if np.dtype(kind).kind == "f":
            return random.uniform(-1, 1, shape).astype(kind)
        return random.integers(0, 2 if kind == "bool" else 100, shape).astype(kind)

    def const(kind, values):
        return ("constant", np.array(values, kind))

    for kind in ("float64", "int64", "int32", "uint8"):
        yield f"Clip {kind}", "Clip", [array(kind, N), const(kind, 1), const(kind, 50)], {}, N
    for kind in ("float32", "float64", "int64"):
        yield f"CumSum {kind}", "CumSum", [array(kind, 512, 512), const("int64", 1)], {}, N
        yield f"ReduceSum {kind}", "ReduceSum", [array(kind, 512, 512), const("int64", [0])], {"keepdims": 0}, N
        yield f"ReduceMax {kind}", "ReduceMax", [array(kind, 512, 512), const("int64", [1])], {"keepdims": 0}, N
        yield f"Greater {kind}", "Greater", [array(kind, N), array(kind, N)], {}, N
        yield f"ArgMax {kind}", "ArgMax", [array(kind, 512, 512)], {"axis": 1}, N
        yield f"TopK {kind}", "TopK", [array(kind, 512, 512), const("int64", [8])], {}, N
    for kind in ("float64", "int64", "int32"):
        yield f"Add {kind}", "Add", [array(kind, N), array(kind, N)], {}, N
        yield f"Max {kind}", "Max", [array(kind, N), array(kind, N)], {}, N
        yield f"MatMul {kind}", "MatMul", [array(kind, 64, 64), array(kind, 64, 64)], {}, 64**3
        yield f"Gemm {kind}", "Gemm", [array(kind, 64, 64), array(kind, 64, 64)], {}, 64**3
    for pair in ("float32 float64", "float32 int64", "int64 float32", "bool float32", "float32 bool", "uint8 float32", "float32 float16"):
        source, target = pair.split()
        yield f"Cast {pair}", "Cast", [array(source, N)], {"to": target}, N
    yield "And bool", "And", [array("bool", N), array("bool", N)], {}, N
    yield "Not bool", "Not", [array("bool", N)], {}, N
    yield "Abs int64", "Abs", [array("int64", N)], {}, N
    yield "PRelu float32", "PRelu", [array("float32", N), array("float32", 1)], {}, N
    yield "Mod float32", "Mod", [array("float32", N), array("float32", N)], {"fmod": 1}, N
    yield "Pow float32", "Pow", [array("float32", N), const("float32", 2)], {}, N
    for kind in ("float32", "float64"):
        image = array(kind, 8, 16, 48, 48)
        yield f"Einsum {kind}", "Einsum", [array(kind, 64, 64), array(kind, 64, 64)], {"equation": "ij,kj->ik"}, 64**3
        yield f"LpNormalization {kind}", "LpNormalization", [array(kind, 512, 512)], {}, N
        yield f"MeanVarianceNormalization {kind}", "MeanVarianceNormalization", [image], {}, image.size
        yield f"RMSNormalization {kind}", "RMSNormalization", [array(kind, 512, 512), array(kind, 512)], {}, N
        yield (f"GroupNormalization {kind}", "GroupNormalization", [image, array(kind, 16), array(kind, 16)],
               {"num_groups": 4}, image.size)  # fmt: skip
        yield f"Hardmax {kind}", "Hardmax", [array(kind, 512, 512)], {}, N
        grid = array(kind, 8, 48, 48, 2)
        yield f"GridSample {kind}", "GridSample", [image, grid], {}, image.size
        yield f"DFT {kind}", "DFT", [array(kind, 64, 256, 1)], {}, 64 * 256
        rois = [array(kind, 32, 4), const("int64", [0] * 32)]
        yield f"RoiAlign {kind}", "RoiAlign", [image, *rois], {"output_height": 7, "output_width": 7}, 32 * 16 * 49
        yield (f"ConvTranspose {kind}", "ConvTranspose", [array(kind, 1, 16, 24, 24), array(kind, 16, 16, 3, 3)], {},
               16 * 16 * 9 * 24 * 24)  # fmt: skip
        yield f"Det {kind}", "Det", [array(kind, 256, 8, 8)], {}, 256 * 64
        yield f"AveragePool 3-D {kind}", "AveragePool", [array(kind, 1, 16, 16, 16, 16)], {"kernel_shape": [2] * 3}, 16 * 15**3
        yield f"LpPool {kind}", "LpPool", [image], {"kernel_shape": [2, 2]}, image.size
    yield "Conv float64", "Conv", [array("float64", 1, 16, 24, 24), array("float64", 16, 16, 3, 3)], {}, 16 * 16 * 9 * 22 * 22
    yield "Conv 3-D float32", "Conv", [array("float32", 1, 8, 12, 12, 12), array("float32", 8, 8, 3, 3, 3)], {}, 64 * 27 * 1000
    yield "MaxPool uint8", "MaxPool", [array("uint8", 8, 16, 48, 48)], {"kernel_shape": [2, 2]}, 8 * 16 * 47 * 47
    yield "OneHot int64", "OneHot", [array("int64", N // 64), const("int64", 64), const("float32", [0, 1])], {}, N
    loss = [array("float32", 4096, 64), array("int64", 4096) % 64]
    yield "SoftmaxCrossEntropyLoss", "SoftmaxCrossEntropyLoss", loss, {}, N
    yield "BatchNormalization float64", "BatchNormalization", [array("float64", 8, 16, 48, 48)] + [abs(array("float64", 16)) for _ in range(4)], {}, 8 * 16 * 48 * 48


def model_of(op, arrays, attributes):
    import numpy as np
    from onnx import helper, numpy_helper

    if "to" in attributes:
        attributes = {"to": helper.np_dtype_to_tensor_dtype(np.dtype(attributes["to"]))}
    ports, weights, names = [], [], []
    for index, value in enumerate(arrays):
        names.append(f"x{index}")
        if isinstance(value, tuple):
            weights.append(numpy_helper.from_array(value[1], names[-1]))
        else:
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            ports.append(helper.make_tensor_value_info(names[-1], kind, value.shape))
    outputs = ["y", "z"] if op == "TopK" else ["y"]
    node = helper.make_node(op, names, outputs, **attributes)
    graph = helper.make_graph([node], op, ports, [helper.make_empty_tensor_value_info(name) for name in outputs], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)


def main():
    import onnx
    from performance_page import table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="part of a case's name")
    parser.add_argument("--binary", nargs="+", type=Path, default=[peers.ADZE])
    parser.add_argument("--seconds", type=float, default=0.1)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "node.onnx"
        for name, op, arrays, attributes, elements in cases():
            if options.only not in name:
                continue
            onnx.save(model_of(op, arrays, attributes), path)
            row = [name]
            for binary in options.binary:
                command = [binary, "bench", path, "--threads", "1", "--seconds", str(options.seconds), "--json"]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode != 0:
                    raise SystemExit(f"{name}: {done.stderr.strip()}")
                row.append(f"{json.loads(done.stdout)['p50_ms'] * 1e6 / elements:.2f}")
            rows.append(row)
    print(table(["operator", *(binary.name for binary in options.binary)], rows))


if __name__ == "__main__":
    environment.enter(peers.VENV, peers.PACKAGES)
    main()
