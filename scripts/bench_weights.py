#!/usr/bin/env python3
"""What each form of a weight gives: rows per second of compressed products beside the same product in float32.

usage: scripts/bench_weights.py [--shape 768x3072] [--batch 1 8 128] [--isa avx2 native] [--threads 1] [--rounds 5]
                                [--seconds 0.3] [--only PART …] [--models DIRECTORY]

Writes small models (two layers, depth x width and back, with bias and Relu) in every form, runs `adze bench` on all of
them in turn for several rounds, and prints a table as Markdown, of each form's round with the lowest median latency (the one
that other work on the machine disturbed least): the factor against float32, and for forms of
8 and 4 bits also the factor against dynamic int8. Needs numpy and onnx (.venv-test has them).
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-test" / "bin" / "python"

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError:
    if not VENV.exists() or Path(sys.executable) == VENV:
        sys.exit("numpy and onnx are missing; scripts/test makes .venv-test with them")
    os.execv(VENV, [str(VENV), *sys.argv])


def prune(weight, share):
    """The smallest `share` of the elements become zero."""
    limit = np.quantile(np.abs(weight), share)
    return np.where(np.abs(weight) < limit, 0, weight).astype(np.float32)


def prune_blocks(weight, share, rows, columns):
    """Whole blocks of rows x columns become zero, those of the smallest sum of magnitudes."""
    k, n = weight.shape
    blocks = weight.reshape(k // rows, rows, n // columns, columns)
    sums = np.abs(blocks).sum(axis=(1, 3))
    kept = sums >= np.quantile(sums, share)
    return (blocks * kept[:, None, :, None]).reshape(k, n).astype(np.float32)


def prune_two_of_four(weight):
    """Of four elements of a column, one below the other, the two smaller ones become zero."""
    k, n = weight.shape
    groups = weight.reshape(k // 4, 4, n)
    order = np.argsort(np.argsort(-np.abs(groups), axis=1), axis=1)
    return np.where(order < 2, groups, 0).reshape(k, n).astype(np.float32)


class Graph:
    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def constant(self, array):
        self.count += 1
        self.weights.append(numpy_helper.from_array(np.asarray(array), f"w{self.count}"))
        return f"w{self.count}"

    def packed(self, codes, shape, kind):
        self.count += 1
        self.weights.append(helper.make_tensor(f"w{self.count}", kind, shape, codes.tobytes(), raw=True))
        return f"w{self.count}"

    def add(self, op, *inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"v{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names


def int8_columns(weight):
    scale = np.maximum(np.abs(weight).max(axis=0), 1e-9) / 127
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale.astype(np.float32)


def int4_blocks(weight, block):
    """Codes 0 … 15 with the zero point 8 [k, n], and scales [k / block, n]."""
    k, n = weight.shape
    groups = weight.reshape(k // block, block, n)
    scale = np.maximum(np.abs(groups).max(axis=1), 1e-9) / 7
    codes = np.clip(np.rint(groups / scale[:, None, :]) + 8, 0, 15).reshape(k, n).astype(np.uint8)
    return codes, scale.astype(np.float32)


def float32(g, x, weight):
    return g.add("MatMul", x, g.constant(weight))


def dynamic_int8(g, x, weight):
    codes, scale = int8_columns(weight)
    q, x_scale, zero = g.add("DynamicQuantizeLinear", x, outputs=3)
    total = g.add("Cast", g.add("MatMulInteger", q, g.constant(codes), zero), to=TensorProto.FLOAT)
    return g.add("Mul", total, g.add("Mul", x_scale, g.constant(scale)))


def static_int8(g, x, weight):
    codes, scale = int8_columns(weight)
    x_scale, zero = g.constant(np.float32(1 / 64)), g.constant(np.uint8(128))
    q = g.add("DequantizeLinear", g.add("QuantizeLinear", x, x_scale, zero), x_scale, zero)
    return g.add("MatMul", q, g.add("DequantizeLinear", g.constant(codes), g.constant(scale), axis=1))


def int8_weight(g, x, weight):
    codes, scale = int8_columns(weight)
    return g.add("MatMul", x, g.add("DequantizeLinear", g.constant(codes), g.constant(scale), axis=1))


def n_bits(level, block=32):
    def write(g, x, weight):
        k, n = weight.shape
        codes, scale = int4_blocks(weight, block)
        columns = codes.T.reshape(n, k // block, block)
        packed = (columns[..., 0::2] | columns[..., 1::2] << 4).astype(np.uint8)
        return g.add("MatMulNBits", x, g.constant(packed), g.constant(np.ascontiguousarray(scale.T)), K=k, N=n, bits=4,
                     block_size=block, accuracy_level=level, domain="com.microsoft")
    return write


def int4_dequantized(g, x, weight, block=32):
    codes, scale = int4_blocks(weight, block)
    nibbles = (codes ^ 8).reshape(-1)
    packed = (nibbles[0::2] | nibbles[1::2] << 4).astype(np.uint8)
    w = g.packed(packed, weight.shape, TensorProto.INT4)
    return g.add("MatMul", x, g.add("DequantizeLinear", w, g.constant(scale), axis=0, block_size=block))


# name: (how the float weight is pruned, how it is written)
FORMS = {"float32": (None, float32)}
for percent in (50, 70, 80, 90, 95):
    FORMS[f"pruned {percent} %"] = (lambda w, p=percent: prune(w, p / 100), float32)
FORMS["2:4"] = (prune_two_of_four, float32)
for percent in (50, 70, 90):
    FORMS[f"1x16 {percent} %"] = (lambda w, p=percent: prune_blocks(w, p / 100, 1, 16), float32)
for percent in (50, 70, 90):
    FORMS[f"1x4 {percent} %"] = (lambda w, p=percent: prune_blocks(w, p / 100, 1, 4), float32)
FORMS |= {
    "int8 dynamic": (None, dynamic_int8),
    "int8 static": (None, static_int8),
    "int8 weight only": (None, int8_weight),
    "int4 blocks of 32, int8 rows": (None, n_bits(4)),
    "int4 blocks of 128, int8 rows": (None, n_bits(4, 128)),
    "int4 blocks of 32, float rows": (None, n_bits(0)),
    "int4 DequantizeLinear, float rows": (None, int4_dequantized),
    "2:4 + int8": (prune_two_of_four, dynamic_int8),
    "1x16 90 % + int8": (lambda w: prune_blocks(w, 0.9, 1, 16), dynamic_int8),
    "1x4 90 % + int8": (lambda w: prune_blocks(w, 0.9, 1, 4), dynamic_int8),
    "pruned 80 % + int8": (lambda w: prune(w, 0.8), dynamic_int8),
    "pruned 90 % + int8": (lambda w: prune(w, 0.9), dynamic_int8),
}


def write_model(path, depth, width, form):
    pruned, written = form
    random, g, x = np.random.default_rng(7), Graph(), "input"
    for fan_in, fan_out in ((depth, width), (width, depth)):
        weight = (random.standard_normal((fan_in, fan_out)) * (2 / fan_in) ** 0.5).astype(np.float32)
        weight = pruned(weight) if pruned else weight
        bias = g.constant((random.standard_normal(fan_out) * 0.1).astype(np.float32))
        x = g.add("Relu", g.add("Add", written(g, x, weight), bias))
    port = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", depth])
    result = helper.make_tensor_value_info(x, TensorProto.FLOAT, ["batch", depth])
    graph = helper.make_graph(g.nodes, "layers", [port], [result], g.weights)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)


def measure(model, batch, isa, options):
    environment = dict(os.environ) | ({} if isa == "native" else {"ADZE_ISA": isa})
    command = [ROOT / ".build" / "release" / "adze", "bench", model, "--batch", str(batch), "--threads",
               str(options.threads), "--seconds", str(options.seconds), "--json"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    if result.returncode != 0:
        sys.exit(f"{model}: {result.stderr.strip()}")
    answer = json.loads(result.stdout)
    return answer["p50_ms"], answer["isa"]


def table(models, isa, options):
    """The lowest median latency of a round: {(name, batch): ms}."""
    rounds, name = {}, isa
    for _ in range(options.rounds):
        for batch in options.batch:
            for form, path in models.items():
                latency, name = measure(path, batch, isa, options)
                rounds.setdefault((form, batch), []).append(latency)
    return name, {key: min(values) for key, values in rounds.items()}


def print_table(name, shape, times, models, options):
    heads = [f"batch {batch}" for batch in options.batch]
    print(f"\n{name}, {shape}, {options.threads} thread(s): times faster than float32 (than dynamic int8)\n")
    print("| weight | " + " | ".join(heads) + " |\n" + "|---" * (len(heads) + 1) + "|")
    for form in models:
        cells = []
        for batch in options.batch:
            own, dense = times[form, batch], times["float32", batch]
            if form == "float32":
                cells.append(f"{own:.3f} ms")
                continue
            cell = f"{dense / own:.2f}"
            if "int" in form and form != "int8 dynamic" and ("int8 dynamic", batch) in times:
                cell += f" ({times['int8 dynamic', batch] / own:.2f})"
            cells.append(cell)
        print(f"| {form} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description="What each form of a weight gives beside float32.")
    parser.add_argument("--shape", default="768x3072")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 128])
    parser.add_argument("--isa", nargs="+", default=["avx2", "native"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--only", nargs="+", metavar="PART", help="only forms with one of these in their names")
    parser.add_argument("--models", type=Path, help="keep the models in this directory")
    options = parser.parse_args()
    depth, width = map(int, options.shape.split("x"))
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.models or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        models = {}
        for name, form in FORMS.items():
            wanted = not options.only or any(part in name for part in options.only)
            if wanted or name in ("float32", "int8 dynamic"):
                file = "".join(c if c.isalnum() else "-" for c in name) + f"-{options.shape}.onnx"
                models[name] = directory / file
                if not models[name].exists():
                    write_model(models[name], depth, width, form)
        for isa in options.isa:
            name, times = table(models, isa, options)
            print_table(name, options.shape, times, models, options)


if __name__ == "__main__":
    main()
