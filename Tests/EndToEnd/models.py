"""Graphs of the kinds that people export, with seeded random weights."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


class Builder:
    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights, self.count = [], [], 0

    def weight(self, *shape, scale=None):
        fan_in = int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
        array = self.rng.normal(0, scale or fan_in**-0.5, shape)
        return self.constant(array.astype(np.float32))

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, op, *inputs, outputs=1, **attributes):
        names = [f"{op.lower()}{self.count}_{i}" for i in range(outputs)]
        self.count += 1
        self.nodes.append(helper.make_node(op, list(inputs), names, name=names[0], **attributes))
        return names[0] if outputs == 1 else names

    def model(self, inputs, outputs, opset=17):
        graph = helper.make_graph(
            self.nodes, "g",
            [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs],
            [helper.make_tensor_value_info(n, t, s) for n, t, s in outputs], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def mlp(sizes=(784, 1024, 1024, 10)):
    b = Builder()
    x = "x"
    for i, (k, n) in enumerate(zip(sizes, sizes[1:])):
        x = b.add("Add", b.add("MatMul", x, b.weight(k, n)), b.weight(n, scale=0.1))
        if i < len(sizes) - 2:
            x = b.add("Relu", x)
    return b.model([("x", TensorProto.FLOAT, ["batch", sizes[0]])], [(x, TensorProto.FLOAT, ["batch", sizes[-1]])])


def cnn():
    """Every kind of convolution: strided, dilated, grouped, depthwise, 1x1, with SAME padding; residual, pools, SE."""
    b = Builder()
    x = b.add("Relu", b.add("Conv", "x", b.weight(16, 3, 7, 7), b.weight(16, scale=0.1), pads=[3] * 4, strides=[2, 2]))
    x = b.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    skip = x
    x = b.add("Clip", b.add("Conv", x, b.weight(16, 1, 3, 3), group=16, pads=[1] * 4), b.constant(np.float32(0)),
              b.constant(np.float32(6)))
    x = b.add("Conv", x, b.weight(16, 16, 1, 1), b.weight(16, scale=0.1))
    x = b.add("Relu", b.add("Add", x, skip))
    x = b.add("LeakyRelu", b.add("Conv", x, b.weight(24, 8, 3, 3), group=2, dilations=[2, 2], pads=[2] * 4), alpha=0.1)
    x = b.add("Sigmoid", b.add("Conv", x, b.weight(32, 24, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2]))
    gate = b.add("Sigmoid", b.add("Conv", b.add("GlobalAveragePool", x), b.weight(32, 32, 1, 1)))
    x = b.add("Mul", x, gate)
    left, right = b.add("Split", x, b.constant(np.array([12, 20])), outputs=2, axis=1)
    x = b.add("Concat", right, left, axis=1)
    x = b.add("AveragePool", x, kernel_shape=[2, 2], strides=[1, 1], pads=[1, 0, 0, 1])
    x = b.add("ConvTranspose", x, b.weight(32, 8, 2, 2), strides=[2, 2])
    x = b.add("BatchNormalization", x, *(b.constant(np.abs(b.rng.normal(1, 0.1, 8)).astype(np.float32)) for _ in range(4)))
    x = b.add("Flatten", b.add("ReduceMean", x, axes=[2, 3], keepdims=0))
    x = b.add("Softmax", b.add("Gemm", x, b.weight(5, 8), b.weight(5, scale=0.1), transB=1, alpha=0.5, beta=2.0))
    return b.model([("x", TensorProto.FLOAT, ["batch", 3, 32, 32])], [(x, TensorProto.FLOAT, ["batch", 5])])


def bert(layers=2, hidden=64, heads=4, vocabulary=100, positions=64):
    """Token ids and an attention mask in, hidden states and a pooled vector out, as PyTorch exports an encoder."""
    b = Builder()
    size = hidden // heads

    def norm(x):
        return b.add("LayerNormalization", x, b.constant(np.ones(hidden, np.float32)), b.weight(hidden, scale=0.1),
                     axis=-1, epsilon=1e-12)

    def linear(x, k, n):
        return b.add("Add", b.weight(n, scale=0.1), b.add("MatMul", x, b.weight(k, n)))

    def split_heads(x, perm):
        shape = b.add("Shape", x)
        lead = b.add("Slice", shape, b.constant(np.array([0])), b.constant(np.array([2])))
        target = b.add("Concat", lead, b.constant(np.array([heads, size])), axis=0)
        return b.add("Transpose", b.add("Reshape", x, target), perm=perm)

    ids = b.add("Gather", b.weight(vocabulary, hidden, scale=0.5), "input_ids")
    length = b.add("Gather", b.add("Shape", "input_ids"), b.constant(np.array(1)))
    zero, one = b.constant(np.array(0)), b.constant(np.array(1))
    order = b.add("Range", zero, length, one)
    x = norm(b.add("Add", ids, b.add("Gather", b.weight(positions, hidden, scale=0.5), order)))
    mask = b.add("Unsqueeze", "attention_mask", b.constant(np.array([1, 2])))
    bias = b.add("Mul", b.add("Sub", b.constant(np.float32(1)), b.add("Cast", mask, to=TensorProto.FLOAT)),
                 b.constant(np.float32(-1e4)))
    for _ in range(layers):
        q = split_heads(linear(x, hidden, hidden), [0, 2, 1, 3])
        k = split_heads(linear(x, hidden, hidden), [0, 2, 3, 1])
        v = split_heads(linear(x, hidden, hidden), [0, 2, 1, 3])
        scores = b.add("Div", b.add("MatMul", q, k), b.constant(np.float32(size**0.5)))
        weights = b.add("Softmax", b.add("Add", scores, bias), axis=-1)
        context = b.add("Transpose", b.add("MatMul", weights, v), perm=[0, 2, 1, 3])
        context = b.add("Reshape", context, b.constant(np.array([0, 0, hidden])))
        x = norm(b.add("Add", linear(context, hidden, hidden), x))
        h = linear(x, hidden, 4 * hidden)
        erf = b.add("Erf", b.add("Div", h, b.constant(np.float32(2**0.5))))
        h = b.add("Mul", b.add("Mul", h, b.add("Add", erf, b.constant(np.float32(1)))), b.constant(np.float32(0.5)))
        x = norm(b.add("Add", linear(h, 4 * hidden, hidden), x))
    first = b.add("Squeeze", b.add("Slice", x, b.constant(np.array([0])), b.constant(np.array([1])),
                                   b.constant(np.array([1]))), b.constant(np.array([1])))
    pooled = b.add("Tanh", b.add("Gemm", first, b.weight(hidden, hidden), b.weight(hidden, scale=0.1)))
    return b.model(
        [("input_ids", TensorProto.INT64, ["batch", "sequence"]),
         ("attention_mask", TensorProto.INT64, ["batch", "sequence"])],
        [(x, TensorProto.FLOAT, ["batch", "sequence", hidden]), (pooled, TensorProto.FLOAT, ["batch", hidden])])


def bert_inputs(batch, sequence, vocabulary=100, seed=1):
    rng = np.random.default_rng(seed)
    mask = np.ones((batch, sequence), np.int64)
    mask[0, sequence // 2 :] = 0
    return {"input_ids": rng.integers(0, vocabulary, (batch, sequence)), "attention_mask": mask}
