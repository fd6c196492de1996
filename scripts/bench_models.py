#!/usr/bin/env python3
"""Writes the models that the performance table is measured with, with seeded random weights.

usage: scripts/bench_models.py DIRECTORY [NAME …]      (no NAME: all)

mlp, bert-4x256, bert-12x768 are built here as exporters write them; the convolutional ones are the light models of the
onnx wheel with random weights in place of their constant ones. Needs numpy and onnx (.venv-test has them).
"""
import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LIGHT = {
    "resnet50": "resnet50", "squeezenet": "squeezenet", "shufflenet": "shufflenet", "inception-v1": "inception_v1",
    "densenet121": "densenet121",
}  # fmt: skip


class Builder:
    """A graph in the making: nodes are appended in order, weights drawn from one generator."""

    def __init__(self, seed=0):
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights, self.count = [], [], 0

    def weight(self, *shape, scale=None):
        fan_in = shape[0] if len(shape) == 2 else int(np.prod(shape[1:]))
        scale = scale if scale is not None else (2 / max(1, fan_in)) ** 0.5
        return self.constant((self.random.standard_normal(shape) * scale).astype(np.float32))

    def constant(self, array):
        self.count += 1
        self.weights.append(numpy_helper.from_array(np.asarray(array), f"w{self.count}"))
        return f"w{self.count}"

    def add(self, op, *inputs, **attributes):
        self.count += 1
        self.nodes.append(helper.make_node(op, list(inputs), [f"v{self.count}"], **attributes))
        return f"v{self.count}"

    def model(self, name, inputs, output, shape, opset=17):
        self.nodes.append(helper.make_node("Identity", [output], ["output"]))
        result = helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, name, inputs, [result], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def mlp():
    b = Builder()
    x = "input"
    for fan_in, fan_out in ((784, 1024), (1024, 1024), (1024, 10)):
        x = b.add("Gemm", x, b.weight(fan_in, fan_out), b.weight(fan_out, scale=0.1))
        if fan_out != 10:
            x = b.add("Relu", x)
    port = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 784])
    return b.model("mlp", [port], x, ["batch", 10])


def bert(layers, width, heads, vocabulary=1000):
    b = Builder()
    positions = 512

    def dense(x, fan_in, fan_out):
        return b.add("Add", b.weight(fan_out, scale=0.02), b.add("MatMul", x, b.weight(fan_in, fan_out, scale=0.05)))

    def norm(x):
        return b.add("LayerNormalization", x, b.constant(np.ones(width, np.float32)), b.weight(width, scale=0.02), axis=-1, epsilon=1e-12)

    def split(x, order):
        shape = b.constant(np.array([0, 0, heads, width // heads], np.int64))
        return b.add("Transpose", b.add("Reshape", x, shape), perm=order)

    length = b.add("Gather", b.add("Shape", "input_ids"), b.constant(np.array(1, np.int64)), axis=0)
    end = b.add("Unsqueeze", length, b.constant(np.array([0], np.int64)))
    place = b.add("Slice", b.constant(np.arange(positions, dtype=np.int64)[None]), b.constant(np.array([0])), end, b.constant(np.array([1])))
    x = b.add("Add", b.add("Gather", b.weight(vocabulary, width, scale=0.05), "input_ids"), b.add("Gather", b.weight(positions, width, scale=0.05), place))
    mask = b.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    mask = b.add("Unsqueeze", mask, b.constant(np.array([1, 2], np.int64)))
    mask = b.add("Mul", b.add("Sub", b.constant(np.float32(1)), mask), b.constant(np.float32(-10000)))
    x = norm(x)
    for _ in range(layers):
        q = split(dense(x, width, width), [0, 2, 1, 3])
        k = split(dense(x, width, width), [0, 2, 3, 1])
        v = split(dense(x, width, width), [0, 2, 1, 3])
        scores = b.add("Div", b.add("MatMul", q, k), b.constant(np.float32((width // heads) ** 0.5)))
        chances = b.add("Softmax", b.add("Add", scores, mask), axis=-1)
        mixed = b.add("Transpose", b.add("MatMul", chances, v), perm=[0, 2, 1, 3])
        mixed = b.add("Reshape", mixed, b.constant(np.array([0, 0, width], np.int64)))
        x = norm(b.add("Add", dense(mixed, width, width), x))
        h = dense(x, width, 4 * width)
        erf = b.add("Erf", b.add("Div", h, b.constant(np.float32(2**0.5))))
        h = b.add("Mul", b.add("Mul", h, b.add("Add", erf, b.constant(np.float32(1)))), b.constant(np.float32(0.5)))
        x = norm(b.add("Add", dense(h, 4 * width, width), x))
    ports = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "sequence"]) for n in ("input_ids", "attention_mask")]
    return b.model("bert", ports, x, ["batch", "sequence", width])


def light(name):
    """A light model of the onnx wheel; its ConstantOfShape weights become random ones of the usual size."""
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    model = onnx.load(folder / f"light_{name}.onnx")
    return randomized(model)


def randomized(model):
    random = np.random.default_rng(0)
    graph = model.graph
    shapes = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    kept, readers = [], {}
    for node in graph.node:
        for position, name in enumerate(node.input):
            readers.setdefault(name, (node.op_type, position))
    for node in graph.node:
        if node.op_type != "ConstantOfShape" or node.input[0] not in shapes:
            kept.append(node)
            continue
        shape = tuple(int(d) for d in shapes[node.input[0]])
        op, position = readers.get(node.output[0], ("", 0))
        graph.initializer.append(numpy_helper.from_array(drawn(random, op, position, shape), node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
    used = {name for node in kept for name in node.input}
    rest = [i for i in graph.initializer if i.name in used]
    del graph.initializer[:]
    graph.initializer.extend(rest)
    names = set(shapes)
    ports = [i for i in graph.input if i.name not in names]
    del graph.input[:]
    graph.input.extend(ports)
    for port in graph.input:
        port.type.tensor_type.shape.dim[0].dim_param = "batch"
    for port in graph.output:
        port.type.tensor_type.shape.dim[0].dim_param = "batch"
    free_batch(graph)
    del graph.value_info[:]
    model.ir_version = 8
    return model


def free_batch(graph):
    """Lets Reshape copy the batch that the light models fix to 1."""
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for index, tensor in enumerate(graph.initializer):
        if tensor.name in shapes:
            extents = numpy_helper.to_array(tensor).copy()
            if extents[0] == 1:
                extents[0] = 0
            graph.initializer[index].CopyFrom(numpy_helper.from_array(extents, tensor.name))


def drawn(random, op, position, shape):
    if op == "BatchNormalization":
        # scale, bias, mean, variance
        return (np.ones(shape) if position in (1, 4) else random.standard_normal(shape) * 0.1).astype(np.float32)
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    scale = (2 / fan_in) ** 0.5 if len(shape) > 1 else 0.1
    return (random.standard_normal(shape) * scale).astype(np.float32)


def mobilenet_v2():
    b = Builder()

    def conv(x, fan_in, fan_out, kernel=1, stride=1, group=1, clips=True):
        pad = kernel // 2
        x = b.add("Conv", x, b.weight(fan_out, fan_in // group, kernel, kernel), b.weight(fan_out, scale=0.1),
                  kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, group=group)  # fmt: skip
        return b.add("Clip", x, b.constant(np.float32(0)), b.constant(np.float32(6))) if clips else x

    x, channels = conv("input", 3, 32, 3, 2), 32
    for factor, width, count, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for index in range(count):
            step, inner = stride if index == 0 else 1, channels * factor
            y = x if factor == 1 else conv(x, channels, inner)
            y = conv(conv(y, inner, inner, 3, step, inner), inner, width, clips=False)
            x, channels = (b.add("Add", x, y) if step == 1 and channels == width else y), width
    x = b.add("Flatten", b.add("GlobalAveragePool", conv(x, channels, 1280)))
    x = b.add("Gemm", x, b.weight(1280, 1000), b.weight(1000, scale=0.1))
    port = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 224, 224])
    return b.model("mobilenet-v2", [port], x, ["batch", 1000])


MODELS = {
    "mlp": mlp,
    "bert-4x256": lambda: bert(4, 256, 4),
    "bert-12x768": lambda: bert(12, 768, 12, vocabulary=30522),
    "mobilenet-v2": mobilenet_v2,
    **{name: (lambda source=source: light(source)) for name, source in LIGHT.items()},
}


def main():
    parser = argparse.ArgumentParser(description="Writes the models of the performance table.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(MODELS)}")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    for name in options.names or MODELS:
        model = MODELS[name]()
        onnx.checker.check_model(model)
        onnx.save(model, options.directory / f"{name}.onnx")
        print(options.directory / f"{name}.onnx")


if __name__ == "__main__":
    main()
