"""Patterns of quantized networks, other types, control flow, sequences and recurrence."""

import numpy as np
from onnx import TensorProto, helper

from .blocks import activation
from .builder import BOOL, F32, I32, I64, I8, U8, Skip


def dynamic_quantization(g):
    if g.opset < 11:
        raise Skip
    name, shape = g.of_rank(g.rng.choice([2, 3]))
    out = g.rng.randint(1, 9)
    x, scale, zero = g.node("DynamicQuantizeLinear", [name], outputs=3)
    kind = g.rng.choice([I8, U8])
    w = g.constant(g.np.integers(-100 if kind == I8 else 0, 100, [shape[-1], out]), kind)
    zeros = (
        g.constant(0 if kind == I8 else 50, kind) if g.maybe(0.7) else g.constant(g.np.integers(0, 9, [out]), kind)
    )
    product = g.node("MatMulInteger", [x, w, zero, zeros])
    both = g.node("Mul", [scale, g.random([out] if g.maybe() else [], 0.01, 0.02)])
    real = g.node("Cast", [product], to=F32)
    value = g.node("Mul", [real, both] if g.maybe() else [both, real], shape[:-1] + [out])
    if g.maybe():
        value = g.node("Add", [value[0], g.random([out])], value[1])
    if g.maybe():
        value = activation(g, value)
    g.keep(value)


def qdq(g, name, low=-2.0, high=2.0, kind=None):
    """QuantizeLinear and DequantizeLinear with a scale for this range."""
    kind = kind or g.rng.choice([U8, I8])
    scale = (high - low) / 255
    zero = int(round(-low / scale)) - (128 if kind == I8 else 0)
    parameters = [g.constant(scale), g.constant(zero, kind)]
    return g.node("DequantizeLinear", [g.node("QuantizeLinear", [name] + parameters)] + parameters)


def weight_dq(g, shape, channel):
    per = [shape[channel]] if g.maybe() and g.opset >= 13 else []
    w = g.constant(g.np.integers(-127, 128, shape), I8)
    attributes = {"axis": channel} if per else {}
    return g.node("DequantizeLinear", [w, g.random(per, 0.002, 0.02), g.constant(np.zeros(per), I8)], **attributes)


def quantized(g):
    if g.opset < 10:
        raise Skip
    what = g.rng.choice(["conv", "matmul", "gemm", "add", "pool", "concat", "average", "relu"])
    kind = g.rng.choice([U8, I8])
    rank = 4 if what in ("conv", "pool", "average") else 2
    name, shape = g.of_rank(rank)
    x = qdq(g, name, kind=kind)
    if what == "conv":
        out = g.rng.randint(1, 5)
        kernel = [1, 1] if g.maybe() else [min(2, shape[2]), min(2, shape[3])]
        inputs = [x, weight_dq(g, [out, shape[1]] + kernel, 0)]
        if g.maybe():
            inputs.append(g.random([out]))
        value = g.node("Conv", inputs, [shape[0], out] + [s - k + 1 for s, k in zip(shape[2:], kernel)])
    elif what in ("matmul", "gemm"):
        out = g.rng.randint(1, 6)
        w = weight_dq(g, [shape[1], out], 1) if what == "matmul" or g.maybe() else None
        if w is None:
            value = g.node("Gemm", [x, weight_dq(g, [out, shape[1]], 0), g.random([out])], [shape[0], out], transB=1)
        elif what == "gemm":
            value = g.node("Gemm", [x, w, g.random([out])], [shape[0], out])
        else:
            value = g.node("MatMul", [x, w], [shape[0], out])
            if g.maybe():
                value = g.node("Add", [value[0], g.random([out])], value[1])
    elif what == "add":
        value = g.node(g.rng.choice(["Add", "Mul"]), [x, qdq(g, name, -3, 2, kind)], shape)
    elif what == "pool":
        value = g.node("MaxPool", [x], [shape[0], shape[1], shape[2], shape[3]], kernel_shape=[1, 1])
    elif what == "average":
        value = g.node("GlobalAveragePool", [x], shape[:2] + [1, 1])
    elif what == "concat":
        value = g.node("Concat", [x, qdq(g, name, -1, 1, kind)], [shape[0], shape[1] * 2], axis=1)
    else:
        value = (x, shape)
    if g.maybe():
        value = g.node("Relu", [value[0]], value[1])
    if g.maybe(0.7):
        value = (qdq(g, value[0], 0 if g.maybe(0.3) else -4, 4, kind), value[1])
    g.keep(value)


def casts(g):
    name, shape = g.rng.choice(g.values)
    chain = g.rng.choice(
        [
            [TensorProto.DOUBLE, F32],
            [I32, F32],
            [I64, I32, F32],
            [BOOL, F32],
            [TensorProto.FLOAT16, F32],
            [F32],
            [TensorProto.DOUBLE, TensorProto.FLOAT16, F32],
            [I8, I64, F32],
            [TensorProto.DOUBLE, I64, F32],
        ]
    )
    for target in chain:
        name = g.node("Cast", [name], to=target)
    g.keep((name, shape))


def choices(g):
    if g.opset < 9:
        raise Skip
    name, shape = g.rng.choice(g.values)
    zero = g.constant(0.0)
    test = g.node(g.rng.choice(["Greater", "Less"] + (["Equal"] if g.opset >= 11 else [])), [name, zero])
    if g.maybe():
        test = g.node("Not", [test])
    other = g.constant(0.25) if g.maybe() else g.node("Neg", [name])
    g.keep(g.node("Where", [test, name, other] if g.maybe() else [test, other, name], shape))


def typed(name, shape, element=F32):
    return helper.make_tensor_value_info(name, element, shape)


def branches(g):
    """If, whose branches read values of the graph around them."""
    name, shape = g.rng.choice(g.values)
    total = g.node("ReduceSum", [name], keepdims=0)
    test = g.node("Greater" if g.maybe() else "Less", [total, g.constant(0.0)])
    if g.maybe(0.3):
        test = g.constant(g.maybe(), BOOL)
    bodies = []
    for op in g.rng.sample(["Relu", "Neg", "Exp", "Identity", "Add"], 2):
        out = g.name()
        node = helper.make_node(op, [name, name] if op == "Add" else [name], [out])
        bodies.append(helper.make_graph([node], "branch", [], [typed(out, shape)]))
    g.keep(g.node("If", [test], shape, then_branch=bodies[0], else_branch=bodies[1]))


def loop(g):
    """Loop with one carried value, one collected one, and one that it reads from outside."""
    name, shape = g.rng.choice(g.values)
    turns = g.rng.randint(0, 3)
    i, go, old, new, out, same = (g.name() for _ in range(6))
    body = helper.make_graph(
        [
            helper.make_node("Add", [old, name], [new]),
            helper.make_node("Mul", [new, old], [out]),
            helper.make_node("Identity", [go], [same]),
        ],
        "body",
        [typed(i, [], I64), typed(go, [], BOOL), typed(old, shape)],
        [typed(same, [], BOOL), typed(new, shape), typed(out, shape)],
    )
    start = g.random(shape)
    final, collected = g.node(
        "Loop", [g.constant(turns, I64), g.constant(True, BOOL) if g.maybe() else "", start], outputs=2, body=body
    )
    g.keep((final, shape))
    if turns:
        g.keep((collected, [turns] + shape))


def scan(g):
    if g.opset < 9:
        raise Skip
    name, shape = g.of_rank(3)
    old, x, new, out = (g.name() for _ in range(4))
    body = helper.make_graph(
        [helper.make_node("Add", [old, x], [new]), helper.make_node("Tanh", [new], [out])],
        "body",
        [typed(old, shape[1:]), typed(x, shape[1:])],
        [typed(new, shape[1:]), typed(out, shape[1:])],
    )
    attributes = {"scan_input_directions": [g.rng.randint(0, 1)], "scan_output_directions": [g.rng.randint(0, 1)]}
    final, collected = g.node(
        "Scan", [g.random(shape[1:]), name], outputs=2, body=body, num_scan_inputs=1, **attributes
    )
    g.keep((final, shape[1:]))
    g.keep((collected, shape))


def sequences(g):
    if g.opset < 11:
        raise Skip
    name, shape = g.rng.choice(g.values)
    second = g.node("Neg", [name])
    sequence = g.node("SequenceConstruct", [name, second])
    if g.maybe():
        sequence = g.node("SequenceInsert", [sequence, name, g.constant(0, I64)])
    if g.maybe(0.3):
        sequence = g.node("SequenceErase", [sequence, g.constant(-1, I64)])
    if g.maybe():
        g.keep(g.node("SequenceAt", [sequence, g.constant(g.rng.choice([0, -1]), I64)], shape))
    elif shape:
        joined = g.node("ConcatFromSequence", [sequence], axis=0)
        total = g.node("ReduceSum", [joined], [], keepdims=0)
        g.keep(g.node("Add", [name, total[0]], shape))


def recurrent(g):
    name, shape = g.of_rank(3)
    op = g.rng.choice(["LSTM", "GRU", "RNN"])
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    hidden = g.rng.randint(1, 4)
    directions = g.rng.randint(1, 2)
    inputs = [name, g.random([directions, gates * hidden, shape[2]]), g.random([directions, gates * hidden, hidden])]
    if g.maybe():
        inputs.append(g.random([directions, 2 * gates * hidden]))
    y, last = g.node(
        op, inputs, outputs=2, hidden_size=hidden, direction="bidirectional" if directions == 2 else "forward"
    )
    g.keep((last, [directions, shape[1], hidden]))
    if directions == 1:
        g.keep(g.axes("Squeeze", y, [1], [shape[0], shape[1], hidden]))
    else:
        turned = g.node("Transpose", [y], perm=[0, 2, 1, 3])
        g.keep(g.node("Reshape", [turned, g.constant([0, 0, -1], I64)], [shape[0], shape[1], 2 * hidden]))


def narrow(g):
    """A piece of the chain in another float type."""
    name, shape = g.rng.choice(g.values)
    kind = g.rng.choice([TensorProto.FLOAT16, TensorProto.DOUBLE])
    x = g.node("Cast", [name], to=kind)
    for _ in range(g.rng.randint(1, 2)):
        op = g.rng.choice(["Relu", "Add", "Mul", "Sigmoid", "Tanh"])
        if op in ("Add", "Mul"):
            x = g.node(op, [x, g.constant(0.5, kind)])
        else:
            x = g.node(op, [x])
    g.keep(g.node("Cast", [x], shape, to=F32))


def upsampled(g):
    name, shape = g.of_rank(4)
    scales = g.constant([1.0, 1.0, 2.0, g.rng.choice([1.0, 2.0, 3.0])])
    grown = [shape[0], shape[1], shape[2] * 2, int(shape[3] * float(g.inputs[-1].array[3]))]
    mode = g.rng.choice(["nearest", "linear"])
    if g.opset < 9:
        factors = g.inputs.pop().array.tolist()
        value = g.node("Upsample", [name], grown, mode=mode, scales=factors)
    elif g.opset == 9:
        value = g.node("Upsample", [name, scales], grown, mode=mode)
    elif g.opset == 10:
        value = g.node("Resize", [name, scales], grown, mode=mode)
    else:
        roi = g.constant(np.zeros([0])) if g.opset < 13 else ""
        how = {"coordinate_transformation_mode": g.rng.choice(["asymmetric", "half_pixel"])}
        if mode == "nearest":
            how["nearest_mode"] = "floor"
        value = g.node("Resize", [name, roi, scales], grown, mode=mode, **how)
    g.keep(value)


BLOCKS = [
    branches,
    loop,
    scan,
    sequences,
    recurrent,
    narrow,
    upsampled,
    dynamic_quantization,
    quantized,
    quantized,
    casts,
    choices,
]
