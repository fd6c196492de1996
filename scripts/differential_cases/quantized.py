"""Recipes for quantization and products of integers."""

import onnx

from .builder import F32, FLOATS, I32, I8, U8, Skip, dtype

T = onnx.TensorProto
QUANTIZED = (
    U8,
    I8,
    T.UINT16,
    T.INT16,
    T.UINT4,
    T.INT4,
    getattr(T, "UINT2", -1),
    getattr(T, "INT2", -1),
    T.FLOAT8E4M3FN,
    T.FLOAT8E4M3FNUZ,
    T.FLOAT8E5M2,
    T.FLOAT8E5M2FNUZ,
    T.FLOAT4E2M1,
)


def layout(c, low=1):
    """A shape, and the shape of scales per tensor, per axis or per block."""
    shape = [c.rng.randint(1, 6) for _ in range(c.rng.randint(low, 4))]
    axis = c.axis(len(shape)) if c.version >= 13 and c.maybe() else None
    if axis is None:
        return shape, c.one()
    if c.version >= 21 and c.maybe(0.4):
        block = c.rng.randint(1, 3)
        scales = list(shape)
        scales[axis] = -(-shape[axis] // block)
        if -(-shape[axis] // scales[axis]) != block:
            raise Skip
        c.set("block_size", block), c.set("axis", axis)
        return shape, scales
    c.set("axis", axis)
    return shape, [shape[axis]]


def quantize(c):
    shape, scales = layout(c)
    c.special = False
    names = {e.type_param_str for e in c.schema.type_constraints}
    x = c.type("T1")
    scale = x if "T3" not in names else c.type("T2", FLOATS) if c.version >= 23 else x
    target = c.type("T3" if "T3" in names else "T2", QUANTIZED)
    if scale not in FLOATS:
        scale = F32
    c.tensor(x, shape, *((-3, 3) if x in FLOATS else (-100, 100)))
    c.tensor(scale if c.version >= 19 else F32, scales, 0.02, 0.5)
    if c.maybe(0.8) or c.version < 10:
        float8 = "float" in dtype(target).name
        c.tensor(target, scales, 0, 0) if float8 else c.tensor(target, scales)
    elif c.version >= 21 and c.maybe():
        c.set("output_dtype", target)
    if c.version >= 19 and c.maybe(0.2):
        c.set("saturate", c.rng.randint(0, 1), 1)


def dequantize(c):
    shape, scales = layout(c)
    c.special = False
    names = {e.type_param_str for e in c.schema.type_constraints}
    x = c.type("T1" if "T1" in names else "T", QUANTIZED + (I32,))
    scale = c.type("T2") if "T2" in names else F32
    c.tensor(x, shape)
    c.tensor(scale, scales, 0.02, 0.5)
    if c.maybe(0.7) and x != I32:
        c.tensor(x, scales, 0, 0) if "float" in dtype(x).name else c.tensor(x, scales)


def dynamic_quantize(c):
    c.special = False
    c.tensor(F32, [max(1, d) for d in c.shape()])
    c.output_count = 3


def matmul_integer(c):
    a, b = c.type("T1"), c.type("T2")
    m, k, n = c.dim(1, 4), c.rng.randint(1, 8), c.dim(1, 4)
    batch = c.shape(0, 1)
    c.tensor(a, c.broadcastable(batch) + [m, k]), c.tensor(b, c.broadcastable(batch) + [k, n])
    if c.maybe():
        c.tensor(a, [])
        if c.maybe():
            c.tensor(b, c.rng.choice([[], [n]]))


def qlinear_matmul(c):
    names = {e.type_param_str for e in c.schema.type_constraints}
    a, b = c.type("T1", (U8, I8)), c.type("T2", (U8, I8))
    y = c.type("T3", (a,))
    scale = c.type("TS") if "TS" in names else F32
    m, k, n = c.dim(1, 4), c.rng.randint(1, 8), c.rng.randint(1, 4)
    batch = c.shape(0, 1)
    c.special = False
    c.tensor(a, c.broadcastable(batch) + [m, k]), c.tensor(scale, [], 0.02, 0.2), c.tensor(a, [])
    per = [n] if c.maybe(0.3) else []
    c.tensor(b, [k, n]), c.tensor(scale, per, 0.02, 0.2), c.tensor(b, per)
    c.tensor(scale, [], 0.05, 0.3), c.tensor(y, [])


RECIPES = {
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
    "DynamicQuantizeLinear": dynamic_quantize,
    "MatMulInteger": matmul_integer,
    "QLinearMatMul": qlinear_matmul,
}
