#!/usr/bin/env python3
"""Convolution layers of conv2d.c against onnxruntime, one thread, interleaved in one process.

Of onnxruntime the time of its Conv node alone counts (with bias and Relu fused), taken from its profile: the reordering
of layouts before and after it is left out. Results are compared too. Times are the 15th percentile of all runs, which
other processes disturb least.

usage: compare_conv2d.py [part of a layer's name ...]    ADZE_ISAS=avx512 compare_conv2d.py resnet
Needs numpy, onnx and onnxruntime, and a C compiler in $CC (the kernels are built as scripts/bench_kernels does).
"""
import ctypes
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
ISAS = {"portable": 0, "avx2": 1, "avx512": 3}
ALGORITHMS = {1: "direct", 2: "Winograd", 3: "depthwise"}
ROUNDS = 9


def layers():
    text = (ROOT / "Tests/CKernelsBench/conv2d.c").read_text()
    for name, sizes in re.findall(r'\{"([^"]+)", ([\d, ]+)\}', text):
        yield name, [int(size) for size in sizes.split(",")]


def build(folder):
    sources = [str(path) for path in (ROOT / "Sources/CKernels").rglob("*.c")]
    sources.append(str(ROOT / "Tests/CKernelsBench/conv2d_session.c"))
    library = f"{folder}/kernels.so"
    flags = "-std=gnu11 -O3 -ffp-contract=off -DNDEBUG -fPIC -shared".split()
    include = f"-I{ROOT}/Sources/CKernels/include"
    subprocess.run([os.environ.get("CC", "clang"), *flags, include, *sources, "-lm", "-o", library], check=True)
    loaded = ctypes.CDLL(library)
    loaded.session_make.restype = ctypes.c_void_p
    return loaded


def aligned(array):
    memory = np.zeros(array.size * 4 + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy = memory[start:start + array.size * 4].view(np.float32).reshape(array.shape)
    copy[...] = array
    return copy


def pointer(array):
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


class Peer:
    def __init__(self, sizes, weights, bias, folder):
        batch, channels, size, _, kernel, stride, pad, groups = sizes
        nodes = [
            helper.make_node("Conv", ["x", "w", "b"], ["c"], kernel_shape=[kernel] * 2, strides=[stride] * 2,
                             pads=[pad] * 4, group=groups),
            helper.make_node("Relu", ["c"], ["y"])]
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, channels, size, size])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        graph = helper.make_graph(nodes, "layer", [x], [y], [numpy_helper.from_array(weights, "w"),
                                                             numpy_helper.from_array(bias, "b")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_profiling = True
        options.profile_file_prefix = f"{folder}/profile"
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def run(self, x):
        return self.session.run(None, {"x": x})[0]

    def seconds(self):
        with open(self.session.end_profiling()) as file:
            events = json.load(file)
        return [event["dur"] * 1e-6 for event in events if event.get("cat") == "Node"
                and event["name"].endswith("_kernel_time") and "Conv" in event["args"].get("op_name", "")]


class Ours:
    """A layer in one instruction set, by the algorithm that the plan chooses."""

    def __init__(self, library, isa, sizes, x, weights, bias, output):
        self.library = library
        is_nchw = sizes[1] == 3  # the first layer takes the image as it comes
        self.x = aligned(x if is_nchw else x.transpose(0, 2, 3, 1))
        self.weights, self.bias = weights, bias
        self.y = aligned(np.zeros_like(output.transpose(0, 2, 3, 1)))
        self.session = ctypes.c_void_p(library.session_make(
            ISAS[isa], 0, (ctypes.c_int * 8)(*sizes), is_nchw, pointer(self.x), pointer(weights), pointer(bias),
            pointer(self.y)))
        self.algorithm = ALGORITHMS[library.session_algorithm(self.session)]
        self.seconds = []
        self.run(1)
        error = np.abs(self.y.transpose(0, 3, 1, 2) - output).max() / np.abs(output).max()
        if not error < 1e-5:
            sys.exit(f"{isa} {self.algorithm}: differs from onnxruntime by {error} of the largest value")
        self.seconds = []

    def run(self, count):
        times = (ctypes.c_double * count)()
        self.library.session_run(self.session, count, times)
        self.seconds += list(times)


def compare(library, isas, sizes, folder):
    batch, channels, size, filters, kernel, stride, pad, groups = sizes
    random = np.random.default_rng(0)
    weights = (random.standard_normal((filters, channels // groups, kernel, kernel)) * 0.1).astype(np.float32)
    bias = random.standard_normal(filters).astype(np.float32)
    x = random.standard_normal((batch, channels, size, size)).astype(np.float32)
    peer = Peer(sizes, weights, bias, folder)
    output = peer.run(x)
    ours = [Ours(library, isa, sizes, x, weights, bias, output) for isa in isas]
    extent = (size + 2 * pad - kernel) // stride + 1
    work = 2 * batch * filters * extent * extent * (channels // groups) * kernel * kernel
    count = int(max(2, min(50, 4e8 / work)))
    for _ in range(ROUNDS):
        for _ in range(count):
            peer.run(x)
        for own in ours:
            own.run(count)
    theirs = np.percentile(peer.seconds(), 15)
    cells = [f"{work / theirs * 1e-9:.0f}"]
    for own in ours:
        time = np.percentile(own.seconds, 15)
        cells += [own.algorithm, f"{work / time * 1e-9:.0f}", f"{theirs / time:.2f}"]
        library.session_free(own.session)
    return cells


def main():
    isas = os.environ.get("ADZE_ISAS", "avx512,avx2").split(",")
    heads = [f"{isa} {what}" for isa in isas for what in ("by", "GFLOP/s", "ratio")]
    print("| layer | onnxruntime GFLOP/s |", " | ".join(heads), "|")
    print("|---" * (2 + len(heads)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        library = build(folder)
        for name, sizes in layers():
            if len(sys.argv) == 1 or any(part in name for part in sys.argv[1:]):
                print("|", name, "|", " | ".join(compare(library, isas, sizes, folder)), "|", flush=True)


if __name__ == "__main__":
    main()
