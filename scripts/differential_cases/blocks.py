"""Patterns of float networks: convolutions, products, normalization, attention, and shapes computed on the way."""

import numpy as np

from .builder import BOOL, I64, Skip

ACTIVATIONS = [
    "Relu",
    "LeakyRelu",
    "Sigmoid",
    "Tanh",
    "Elu",
    "HardSigmoid",
    "Softplus",
    "Exp",
    "Abs",
    "Neg",
    "Sqrt",
    "Clip",
    "HardSwish",
    "Gelu",
    "Selu",
    "Identity",
    "Floor",
    "Erf",
    "Swish",
    "PRelu",
]


def activation(g, value):
    name, shape = value
    op = g.rng.choice(ACTIVATIONS)
    attributes = {}
    inputs = [name]
    if op == "Clip":
        if g.opset < 11:
            attributes = {"min": -0.5, "max": 0.8}
        else:
            inputs += [g.constant(-0.5) if g.maybe(0.7) else "", g.constant(0.8)]
    if op == "Sqrt":
        inputs = [g.node("Abs", [name])]
    if op == "PRelu":
        inputs.append(g.random([shape[-1]] if shape else []))
    if op in ("LeakyRelu", "Elu") and g.maybe():
        attributes = {"alpha": 0.3}
    if (op == "HardSwish" and g.opset < 14) or (op == "Gelu" and g.opset < 20) or (op == "Swish" and g.opset < 24):
        op = "Relu"
    if op == "Gelu" and g.maybe():
        attributes = {"approximate": "tanh"}
    return g.keep(g.node(op, inputs, shape, **attributes))


def conv(g):
    name, shape = g.of_rank(4)
    channels, out = shape[1], g.rng.randint(1, 6)
    group = g.rng.choice([1, 1, channels]) if channels > 1 else 1
    out = out * group
    kernel = [g.rng.randint(1, min(3, shape[2])), g.rng.randint(1, min(3, shape[3]))]
    pads = [g.rng.randint(0, k - 1) for k in kernel * 2]
    strides = [g.rng.randint(1, 2), g.rng.randint(1, 2)]
    size = [(shape[i + 2] + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1 for i in range(2)]
    if min(size) < 1:
        raise Skip
    inputs = [name, g.random([out, channels // group] + kernel, kind="input" if g.maybe(0.1) else None)]
    if g.maybe():
        inputs.append(g.random([out]))
    value = g.node(
        "Conv", inputs, [shape[0], out] + size, kernel_shape=kernel, pads=pads, strides=strides, group=group
    )
    if g.maybe(0.2):
        g.keep(value)
    if g.maybe(0.3):
        value = g.node(
            "Add", [value[0], g.random([out, 1, 1])] if g.maybe() else [g.random([1, out, 1, 1]), value[0]], value[1]
        )
    if g.maybe(0.6):
        kind = None if g.maybe(0.9) else "input"
        value = g.node(
            "BatchNormalization",
            [value[0], g.random([out], 0.5, 2, kind), g.random([out]), g.random([out]), g.random([out], 0.3, 2)],
            value[1],
            epsilon=1e-3,
        )
    if g.maybe(0.3):
        value = g.node("Mul", [value[0], g.random([out, 1, 1] if g.maybe() else [])], value[1])
    if g.maybe(0.7):
        value = activation(g, value)
    g.keep(value)


def residual(g):
    """The same value twice, or two values of one shape: what may be computed in place."""
    name, shape = g.rng.choice(g.values)
    other = g.rng.choice([v for v in g.values if v[1] == shape])
    op = g.rng.choice(["Add", "Mul", "Sub", "Max", "Min", "Sum"])
    value = g.node(op, [name, other[0]], shape)
    if g.maybe():
        value = activation(g, value)
    g.keep(value)


def matmul(g):
    rank = g.rng.choice([2, 3, 4])
    name, shape = g.of_rank(rank)
    out = g.rng.randint(1, 9)
    if rank == 2 and g.maybe():
        ta, tb = g.maybe(0.2), g.maybe()
        depth, rows = (shape[0], shape[1]) if ta else (shape[1], shape[0])
        inputs = [name, g.random([out, depth] if tb else [depth, out])]
        if g.opset < 11 or g.maybe(0.7):
            inputs.append(g.random([out] if g.maybe(0.7) else [rows, 1]))
        value = g.node(
            "Gemm",
            inputs,
            [rows, out],
            transA=int(ta),
            transB=int(tb),
            alpha=g.rng.choice([1.0, 0.5]),
            beta=g.rng.choice([1.0, 2.0]),
        )
    else:
        value = g.node("MatMul", [name, g.random([shape[-1], out])], shape[:-1] + [out])
        if g.maybe(0.7):
            bias = g.random([out] if g.maybe(0.8) else [1, out])
            value = g.node("Add", [value[0], bias] if g.maybe() else [bias, value[0]], value[1])
    if g.maybe(0.2) and len(value[1]) == 2:
        value = g.node(
            "BatchNormalization",
            [value[0], g.random([out], 0.5, 2), g.random([out]), g.random([out]), g.random([out], 0.3, 2)],
            value[1],
        )
    if g.maybe(0.7):
        value = g.rng.choice([activation, gelu, swish])(g, value)
    g.keep(value)


def gelu(g, value):
    name, shape = value
    if g.maybe():
        inner = (
            g.node("Div", [name, g.constant(np.sqrt(2.0))])
            if g.maybe()
            else g.node("Mul", [name, g.constant(np.sqrt(0.5))])
        )
        erf = g.node("Add", [g.node("Erf", [inner]), g.constant(1.0)]) if g.opset >= 9 else g.node("Tanh", [inner])
    else:
        cube = g.node("Pow", [name, g.constant(3.0)])
        inner = g.node("Add", [name, g.node("Mul", [cube, g.constant(0.044715)])])
        erf = g.node("Add", [g.node("Tanh", [g.node("Mul", [inner, g.constant(0.7978845608)])]), g.constant(1.0)])
    if g.maybe():
        return g.keep(g.node("Mul", [g.node("Mul", [name, erf]), g.constant(0.5)], shape))
    return g.keep(g.node("Mul", [g.node("Mul", [name, g.constant(0.5)]), erf], shape))


def swish(g, value):
    name, shape = value
    gate = g.node(g.rng.choice(["Sigmoid", "HardSigmoid", "Tanh"]), [name])
    return g.keep(g.node("Mul", [name, gate] if g.maybe() else [gate, name], shape))


def transposes(g):
    name, shape = g.of_rank(g.rng.choice([2, 3, 4]))
    for _ in range(g.rng.randint(1, 3)):
        order = g.rng.sample(range(len(shape)), len(shape))
        shape = [shape[i] for i in order]
        name, _ = g.node("Transpose", [name], shape, perm=order)
        if g.maybe(0.3):
            name, _ = activation(g, (name, shape))
    g.keep((name, shape))


def shape_chain(g):
    name, shape = g.of_rank(g.rng.choice([3, 4]))
    sizes = g.node("Shape", [name])
    first = g.node("Gather", [sizes, g.constant(0, I64)], axis=0)
    if g.maybe():
        first = g.axes("Unsqueeze", first, [0], None)
        rest = g.constant([-1], I64)
        target = [shape[0], int(np.prod(shape[1:]))]
        vector = g.node("Concat", [first, rest], axis=0)
    else:
        second = g.node("Gather", [sizes, g.constant(1 if g.maybe() else 1 - len(shape), I64)], axis=0)
        product = g.node("Mul", [first, second])
        product = g.axes("Unsqueeze", product, [0], None)
        vector = g.node("Concat", [product, g.constant([-1], I64)], axis=0)
        target = [shape[0] * shape[1], int(np.prod(shape[2:]))]
    value = g.keep(g.node("Reshape", [name, vector], target))
    if g.maybe() and g.opset >= 10:
        part = g.node("Slice", [sizes, g.constant([0], I64), g.constant([2], I64)])
        back = g.node("Concat", [part, g.constant([-1], I64)], axis=0)
        g.keep(g.node("Reshape", [value[0], back], shape[:2] + [int(np.prod(shape[2:]))]))
    if g.maybe():
        filled = g.node("ConstantOfShape", [sizes], shape) if g.opset >= 9 else (name, shape)
        g.keep(g.node("Add", [name, filled[0]], shape))


def pieces(g):
    name, shape = g.of_rank(g.rng.choice([2, 3, 4]))
    axis = g.rng.randrange(len(shape))
    if shape[axis] < 2:
        raise Skip
    cut = g.rng.randint(1, shape[axis] - 1)
    sizes = [cut, shape[axis] - cut]
    if g.opset >= 13:
        a, b = g.node("Split", [name, g.constant(sizes, I64)], outputs=2, axis=axis)
    else:
        a, b = g.node("Split", [name], outputs=2, axis=axis, split=sizes)
    shapes = [shape[:axis] + [s] + shape[axis + 1 :] for s in sizes]
    first = activation(g, (a, shapes[0])) if g.maybe() else g.keep((a, shapes[0]))
    g.keep(
        g.node("Concat", [b, first[0], b] if g.maybe(0.3) else [b, first[0]], None, axis=axis)
        and fix_concat(g, shape, axis, sizes)
    )


def fix_concat(g, shape, axis, sizes):
    node = g.nodes[-1]
    extent = shape[axis] + (sizes[1] if len(node.input) == 3 else 0)
    return (node.output[0], shape[:axis] + [extent] + shape[axis + 1 :])


def layer_norm(g):
    name, shape = g.of_rank(g.rng.choice([2, 3]))
    size, mean_shape = shape[-1], shape[:-1] + [1]
    mean = g.axes("ReduceMean", name, [-1] if g.opset >= 11 else [len(shape) - 1], mean_shape, keepdims=1)
    centred = g.node("Sub", [name, mean[0]])
    square = g.node("Pow", [centred, g.constant(2.0)]) if g.maybe() else g.node("Mul", [centred, centred])
    variance = g.axes("ReduceMean", square, [-1] if g.opset >= 11 else [len(shape) - 1], mean_shape, keepdims=1)
    deviation = g.node("Sqrt", [g.node("Add", [variance[0], g.constant(1e-3)])])
    value = g.node("Div", [centred, deviation], shape)
    if g.maybe(0.8):
        value = g.node("Mul", [value[0], g.random([size])], shape)
        value = g.node("Add", [value[0], g.random([size])], shape)
    g.keep(value)


def attention(g):
    name, shape = g.of_rank(3)
    depth = g.rng.randint(1, 4)
    q, k, v = (g.node("MatMul", [name, g.random([shape[2], depth])]) for _ in range(3))
    scores = g.node("MatMul", [q, g.node("Transpose", [k], perm=[0, 2, 1])])
    scores = (
        g.node("Div", [scores, g.constant(np.sqrt(depth))]) if g.maybe() else g.node("Mul", [scores, g.constant(0.5)])
    )
    if g.maybe():
        mask = np.triu(np.full([shape[1], shape[1]], -1e4), 1)
        scores = g.node("Add", [scores, g.constant(mask)])
    elif g.maybe() and g.opset >= 9:
        mask = g.constant(np.tril(np.ones([shape[1], shape[1]])), BOOL)
        scores = g.node("Where", [mask, scores, g.constant(-np.inf if g.maybe() else -1e9)])
    weights = g.node("Softmax", [scores], axis=2 if g.opset < 13 else -1)
    g.keep(g.node("MatMul", [weights, v], shape[:2] + [depth]))


def reductions(g):
    name, shape = g.of_rank(g.rng.choice([2, 3, 4]))
    axis = g.rng.randrange(len(shape))
    keep = g.maybe()
    op = g.rng.choice(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2"])
    reduced = shape[:axis] + ([1] if keep else []) + shape[axis + 1 :]
    value = g.axes(op, name, [axis], reduced, keepdims=int(keep))
    if not keep and g.maybe():
        value = g.axes("Unsqueeze", value[0], [axis], shape[:axis] + [1] + shape[axis + 1 :])
    if len(value[1]) == len(shape) and g.maybe():
        value = g.node("Sub", [name, value[0]], shape)
    g.keep(value)


def pool(g):
    name, shape = g.of_rank(4)
    if g.maybe(0.3):
        g.keep(g.node("GlobalAveragePool", [name], shape[:2] + [1, 1]))
        return
    kernel = [min(2, shape[2]), min(2, shape[3])]
    size = [(s - k) // 2 + 1 for s, k in zip(shape[2:], kernel)]
    g.keep(
        g.node(
            g.rng.choice(["MaxPool", "AveragePool"]), [name], shape[:2] + size, kernel_shape=kernel, strides=[2, 2]
        )
    )


def pad_conv(g):
    name, shape = g.of_rank(4)
    pads = [0, 0, 1, 1, 0, 0, g.rng.randint(0, 1), 1]
    if g.opset >= 11:
        padded = g.node("Pad", [name, g.constant(pads, I64)] + ([g.constant(0.0)] if g.maybe() else []))
    else:
        padded = g.node("Pad", [name], pads=pads)
    size = [shape[2] + pads[2] + pads[6], shape[3] + pads[3] + pads[7]]
    w = g.random([2, shape[1], 2, 2])
    g.keep(g.node("Conv", [padded, w], [shape[0], 2] + [s - 1 for s in size]))


def scalar_math(g):
    """Constants on both sides, what folds, and neutral elements."""
    name, shape = g.rng.choice(g.values)
    op = g.rng.choice(["Add", "Sub", "Mul", "Div", "Pow"])
    other = g.constant(g.rng.choice([0.0, 1.0, 2.0, -1.0]) if op != "Div" else 2.0)
    if g.maybe(0.3):
        other = g.node("Mul", [g.constant(2.0), g.constant(0.5)])
    inputs = [name, other] if op in ("Pow", "Div") or g.maybe() else [other, name]
    g.keep(g.node(op, inputs, shape))


BLOCKS = [
    conv,
    conv,
    residual,
    matmul,
    matmul,
    transposes,
    shape_chain,
    pieces,
    layer_norm,
    attention,
    reductions,
    pool,
    pad_conv,
    scalar_math,
]
