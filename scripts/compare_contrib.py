#!/usr/bin/env python3
"""Compares Adze with onnxruntime on the contrib operators that quantizers and onnxruntime's optimizers write.

Each case is a model of one node with random inputs (contrib_cases.py), or a whole model that onnxruntime optimized or
quantized (contrib_graphs.py), run by both. The table shows the largest difference, relative to the output's scale
(integers: in steps). Run it in the tests' environment: scripts/compare_contrib.py [--binary PATH] [--only TEXT]
"""
import argparse
import logging
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import contrib_cases  # noqa: E402
import contrib_graphs  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent


def model_of(case):
    inputs, initializers, names = [], [], []
    for index, array in enumerate(case.inputs):
        if array is None:
            names.append("")
            continue
        name = f"x{index}"
        names.append(name)
        if isinstance(array, onnx.TensorProto):
            array.name = name
            initializers.append(array)
        elif index in case.constants:
            initializers.append(numpy_helper.from_array(array, name))
        else:
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            shape = [f"d{index}_{axis}" if case.is_dynamic else extent for axis, extent in enumerate(array.shape)]
            inputs.append(helper.make_tensor_value_info(name, kind, shape))
    outputs = [f"y{index}" if index in case.outputs else "" for index in range(max(case.outputs) + 1)]
    node = helper.make_node(case.op, names, outputs, name="node", domain=case.domain, **case.attributes)
    graph = helper.make_graph(
        [node], "case", inputs,
        [onnx.ValueInfoProto(name=name) for name in outputs if name], initializers)
    imports = [helper.make_opsetid("", case.opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def run_onnxruntime(model, feeds):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds)))


def declare_outputs(model, results):
    for output in model.graph.output:
        value = results[output.name]
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        output.CopyFrom(helper.make_tensor_value_info(output.name, kind, [None] * value.ndim))


def difference(ours, theirs):
    """The largest difference: in steps for integers, in parts of the largest magnitude for floats."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return f"{ours.dtype}{list(ours.shape)} for {theirs.dtype}{list(theirs.shape)}"
    if theirs.size == 0:
        return 0.0
    if theirs.dtype.kind not in "fc":
        return float(np.abs(ours.astype(np.int64) - theirs.astype(np.int64)).max())
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    finite = np.isfinite(theirs)
    if not np.array_equal(ours[~finite], theirs[~finite], equal_nan=True):
        return "other infinities"
    scale = max(np.abs(theirs[finite]).max(initial=0), 1e-6)
    return float(np.abs(ours[finite] - theirs[finite]).max(initial=0) / scale)


def compare_case(case, binary, directory):
    model = model_of(case)
    feeds = {
        f"x{index}": array for index, array in enumerate(case.inputs)
        if isinstance(array, np.ndarray) and index not in case.constants}
    if case.expected is None:
        theirs = run_onnxruntime(model.SerializeToString(), feeds)
    else:
        theirs = {f"y{index}": value for index, value in zip(case.outputs, case.expected)}
    declare_outputs(model, theirs)
    path = directory / "case.onnx"
    onnx.save(model, path)
    if case.compared is not None:
        theirs = {f"y{index}": theirs[f"y{index}"] for index in case.compared}
    return compare_file(path, feeds, theirs, binary, directory)


def compare_file(path, feeds, theirs, binary, directory):
    np.savez(directory / "in.npz", **feeds)
    run = subprocess.run(
        [binary, "run", path, "--inputs", directory / "in.npz", "--outputs", directory / "out.npz"],
        capture_output=True, text=True)
    if run.returncode != 0:
        return run.stderr.strip().splitlines()[-1]
    ours = np.load(directory / "out.npz")
    worst = 0.0
    for name, value in theirs.items():
        found = difference(ours[name], value)
        if isinstance(found, str):
            return f"{name}: {found}"
        worst = max(worst, found)
    return worst


# The quantizers give advice.
logging.disable(logging.WARNING)


class Table:
    def __init__(self, show):
        self.show = show
        self.agree, self.skipped, self.failed = 0, 0, []

    def add(self, label, found, tolerance):
        ok = not isinstance(found, str) and found <= tolerance
        self.agree += ok
        if not ok:
            self.failed.append(label)
        text = found if isinstance(found, str) else format(found, ".1e")
        self.show(f"{label:75} {text}{'' if ok else '  FAILED'}")


def compare_cases(binary, directory, only, table):
    for case in contrib_cases.cases():
        label = f"{case.op}: {case.name}"
        if only not in label:
            continue
        try:
            table.add(label, compare_case(case, binary, directory), case.tolerance)
        except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
            table.skipped += 1
            table.show(f"{label:75} onnxruntime has no kernel for it")


def compare_graphs(binary, directory, only, table):
    for path, feeds in contrib_graphs.graphs(directory):
        if only not in path.stem:
            continue
        # A value between two steps may be rounded to either, here and there.
        tolerance = 2e-2 if "Q" in path.stem or "dynamic" in path.stem else 1e-5
        theirs = run_onnxruntime(str(path), feeds)
        table.add(path.stem, compare_file(path, feeds, theirs, binary, directory), tolerance)


def run_all(binary, only="", show=print):
    """The names of the cases that differ by more than they may."""
    table = Table(show)
    with tempfile.TemporaryDirectory() as directory:
        compare_cases(binary, pathlib.Path(directory), only, table)
        compare_graphs(binary, pathlib.Path(directory), only, table)
    show(f"{table.agree} agree, {len(table.failed)} differ, {table.skipped} not compared")
    return table.failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / ".build/release/adze")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    sys.exit(1 if run_all(options.binary, options.only) else 0)
