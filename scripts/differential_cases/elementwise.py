"""Recipes for elementwise operators, reductions, and what works along one axis."""

import numpy as np
import onnx

from .builder import BOOL, FLOATS, I32, I64, INTEGERS, PLAIN, STRING, dtype

UNARY = """Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu
HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Log Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid
Sign Sin Sinh Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu""".split()
DOMAIN = {
    "Acos": (-1, 1),
    "Asin": (-1, 1),
    "Atanh": (-0.95, 0.95),
    "Acosh": (1, 5),
    "Log": (0.01, 5),
    "Sqrt": (0, 5),
    "Reciprocal": (0.2, 5),
    "Tan": (-1.2, 1.2),
}
FLOAT_ATTRIBUTES = {
    "Elu": ["alpha"],
    "Celu": ["alpha"],
    "LeakyRelu": ["alpha"],
    "Selu": ["alpha", "gamma"],
    "HardSigmoid": ["alpha", "beta"],
    "ThresholdedRelu": ["alpha"],
    "Shrink": ["lambd", "bias"],
    "Swish": ["alpha"],
}


def unary(c):
    element = c.type(c.schema.inputs[0].type_str)
    low, high = DOMAIN.get(c.op, (None, None))
    c.tensor(element, c.shape(), low, high)
    for name in FLOAT_ATTRIBUTES.get(c.op, []):
        if c.maybe():
            c.set(name, round(c.rng.uniform(0.1, 2), 3))
    if c.op == "Gelu" and c.maybe():
        c.set("approximate", c.rng.choice(["none", "tanh"]))
    if c.op == "IsInf":
        c.special = True
        for name in ("detect_negative", "detect_positive"):
            if c.maybe():
                c.set(name, c.rng.randint(0, 1))


BINARY = """Add Sub Mul Div Pow Mod And Or Xor BitwiseAnd BitwiseOr BitwiseXor BitShift Equal Greater
GreaterOrEqual Less LessOrEqual PRelu""".split()


def binary(c):
    element = c.type(c.schema.inputs[0].type_str)
    shape = c.shape()
    a, b = (shape, c.broadcastable(shape))
    if c.op != "PRelu" and c.maybe():
        a, b = b, a
    other = c.type(c.schema.inputs[1].type_str) if c.op == "Pow" and c.version >= 12 else element
    if c.op == "Pow":
        c.special = False
        c.tensor(element, a, 1, 4)
        c.tensor(other, b, 0, 3)
        return
    if c.op in ("Div", "Mod"):
        c.tensor(element, a)
        x = c.values(element, b, 1, 6)
        if element not in FLOATS and np.issubdtype(dtype(element), np.signedinteger) and c.maybe():
            x = -x
        c.add(x, element)
        if c.op == "Mod" and (element in FLOATS or c.maybe()):
            c.set("fmod", 1)
        return
    if c.op == "BitShift":
        c.set("direction", c.rng.choice(["LEFT", "RIGHT"]))
        c.tensor(element, a)
        c.tensor(element, b, 0, dtype(element).itemsize * 8 - 1)
        return
    c.tensor(element, a)
    c.tensor(element, b)


VARIADIC = ["Max", "Min", "Mean", "Sum"]


def variadic(c):
    element = c.type("T")
    shape = c.shape()
    for _ in range(c.rng.randint(1, 4)):
        c.tensor(element, c.broadcastable(shape))


def where(c):
    element = c.type("T")
    shape = c.shape()
    c.tensor(BOOL, c.broadcastable(shape))
    c.tensor(element, c.broadcastable(shape))
    c.tensor(element, c.broadcastable(shape))


def clip(c):
    element = c.type("T")
    c.tensor(element, c.shape())
    for name, low, high in (("min", -2, 0), ("max", 1, 3)):
        present = c.maybe(0.6)
        if c.version < 11:
            if present:
                c.set(name, float(c.rng.uniform(low, high)))
        elif present:
            c.tensor(element, c.one(), low if element in FLOATS else 3, high if element in FLOATS else 9)
        else:
            c.skip()


REDUCTIONS = ["Reduce" + n for n in "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare".split()]


def reduction(c):
    element = c.type("T")
    c.special = False
    shape = c.shape(0, 3)
    small = (0.2, 2) if c.op in ("ReduceLogSum", "ReduceProd") else (None, None)
    c.tensor(element, shape, *(small if element in FLOATS else ((1, 2) if small[0] else (None, None))))
    axes = c.axes(len(shape))
    if 0 in shape:
        # onnxruntime takes no negative axes of empty tensors.
        axes = [a % len(shape) for a in axes]
    if c.maybe(0.6):
        c.set("keepdims", c.rng.randint(0, 1), 1)
    as_input = "axes" not in c.schema.attributes
    if c.maybe(0.7) and (axes or as_input):
        c.ints(axes) if as_input else c.set("axes", axes)
        if as_input and c.maybe(0.3):
            c.set("noop_with_empty_axes", c.rng.randint(0, 1), 0)
    elif as_input and c.maybe(0.3):
        c.set("noop_with_empty_axes", c.rng.randint(0, 1), 0)


def arg(c):
    element = c.type("T")
    shape = [max(1, d) for d in c.shape(1)]
    c.special = False
    c.tensor(element, shape)
    if c.maybe(0.8):
        axis = c.axis(len(shape))
        c.set("axis", axis if c.version >= 11 else axis % len(shape), 0)
    if c.maybe():
        c.set("keepdims", c.rng.randint(0, 1), 1)
    if c.version >= 12 and c.maybe():
        c.set("select_last_index", c.rng.randint(0, 1), 0)


def softmax(c):
    element = c.type("T")
    shape = c.shape(1)
    c.special = False
    c.tensor(element, shape)
    if c.maybe(0.7):
        axis = c.axis(len(shape))
        c.set("axis", axis if c.version >= 11 else axis % len(shape))


def cumulative(c):
    element = c.type("T")
    shape = c.shape(1)
    c.special = False
    c.tensor(element, shape, *((0.5, 1.5) if c.op == "CumProd" and element in FLOATS else (None, None)))
    c.ints(c.axis(len(shape)) if c.maybe(0.8) else [c.axis(len(shape))], c.rng.choice([I32, I64]))
    for name in ("exclusive", "reverse"):
        if c.maybe():
            c.set(name, c.rng.randint(0, 1), 0)


def cast(c):
    c.special = False
    source, target = c.type("T1", EVERY), c.type("T2", EVERY)
    shape = c.shape()
    if source == STRING:
        words = np.array(
            ["1", "-3.5", "42", "7e1", "0", "1.25"] if target in FLOATS else ["1", "42", "7", "0"], dtype=object
        )
        c.add(words[c.np.integers(0, len(words), shape)].reshape(shape), STRING, "input")
    else:
        unsigned = target in INTEGERS and dtype(target).name.startswith("uint")
        c.tensor(source, shape, *((0, 100) if unsigned else (-100, 100) if target not in SMALL else (-8, 8)))
    if c.op == "CastLike":
        c.tensor(target, c.shape())
    else:
        c.set("to", target)
    if "saturate" in c.schema.attributes and c.maybe(0.3):
        c.set("saturate", c.rng.randint(0, 1), 1)


SMALL = {
    onnx.TensorProto.INT4,
    onnx.TensorProto.UINT4,
    getattr(onnx.TensorProto, "INT2", -1),
    getattr(onnx.TensorProto, "UINT2", -1),
    onnx.TensorProto.FLOAT4E2M1,
}
EVERY = tuple(onnx.TensorProto.DataType.values())


def bitcast(c):
    types = [t for t in c.allowed("T1") if t in PLAIN and t not in (BOOL, STRING)]
    source = c.rng.choice(types)
    same = [t for t in types if dtype(t).itemsize == dtype(source).itemsize]
    c.tensor(source, c.shape())
    c.set("to", c.rng.choice(same))


def normalization(c):
    """LpNormalization, MeanVarianceNormalization, LRN."""
    element = c.type("T")
    c.special = False
    if c.op == "LRN":
        c.tensor(element, [c.dim(), c.dim(2, 6), c.dim(), c.dim()])
        c.set("size", c.rng.choice([1, 3, 5]))
        for name in ("alpha", "beta", "bias"):
            if c.maybe():
                c.set(name, round(c.rng.uniform(0.1, 1.5), 3))
    elif c.op == "LpNormalization":
        shape = c.shape(1)
        c.tensor(element, shape, 0.5, 3)
        if c.maybe():
            c.set("axis", c.axis(len(shape)), -1)
        if c.maybe():
            c.set("p", c.rng.randint(1, 2), 2)
    else:
        c.tensor(element, [c.dim(2), c.dim(2), c.dim(2), c.dim(2)])
        if c.maybe(0.3):
            c.set("axes", c.rng.choice([[0, 2, 3], [0, 1, 2, 3], [2, 3], [1]]))


RECIPES = {
    **dict.fromkeys(UNARY, unary),
    **dict.fromkeys(BINARY, binary),
    **dict.fromkeys(VARIADIC, variadic),
    **dict.fromkeys(REDUCTIONS, reduction),
    "ArgMax": arg,
    "ArgMin": arg,
    "Where": where,
    "Clip": clip,
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "Hardmax": softmax,
    "CumSum": cumulative,
    "CumProd": cumulative,
    "Cast": cast,
    "CastLike": cast,
    "BitCast": bitcast,
    "LpNormalization": normalization,
    "MeanVarianceNormalization": normalization,
    "LRN": normalization,
}
