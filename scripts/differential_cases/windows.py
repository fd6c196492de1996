"""Recipes for products, convolution, pooling, and normalization over features."""

import numpy as np

from .builder import F32, I32, INTEGERS, U8


def matmul(c):
    element = c.type("T")
    m, k, n = c.dim(), c.dim(1, 8), c.dim()
    batch = c.shape(0, 2)
    a, b = c.broadcastable(batch) + [m, k], c.broadcastable(batch) + [k, n]
    if c.maybe(0.1):
        a = [k]
    elif c.maybe(0.1):
        b = [k]
    c.tensor(element, a), c.tensor(element, b)


def gemm(c):
    element = c.type("T")
    c.special = False
    m, k, n = c.dim(), c.dim(1, 8), c.dim()
    ta, tb = c.rng.randint(0, 1), c.rng.randint(0, 1)
    c.tensor(element, [k, m] if ta else [m, k]), c.tensor(element, [n, k] if tb else [k, n])
    if c.version < 11 or c.maybe(0.7):
        c.tensor(element, c.rng.choice([[n], [m, n], [1, n], [m, 1], [1], []]))
    c.set("transA", ta, 0), c.set("transB", tb, 0)
    whole = element in INTEGERS
    for name in ("alpha", "beta"):
        if c.maybe():
            c.set(name, float(c.rng.randint(1, 3)) if whole else c.rng.choice([0.5, 1.0, 2.0]), 1.0)


def window(c, spatial, kernel, pooling=False, transposed=False):
    """strides, dilations, pads or auto_pad; returns True when pads count."""
    strides = [c.rng.randint(1, 3) for _ in kernel]
    if c.maybe():
        c.set("strides", strides)
    if "dilations" in c.schema.attributes and c.maybe(0.3) and (not pooling or c.op != "AveragePool"):
        c.set("dilations", [c.rng.randint(1, 2) for _ in kernel])
    choice = c.rng.choice(["pads", "none", "VALID", "SAME_UPPER", "SAME_LOWER", "NOTSET"])
    if choice in ("pads", "NOTSET"):
        c.set("pads", [c.rng.randint(0, k - 1) for k in kernel + kernel])
    if choice not in ("pads", "none"):
        if choice.startswith("SAME") and "dilations" in c.attributes:
            return
        c.set("auto_pad", choice)


def conv(c):
    axes = c.rng.choice([1, 2, 2, 3])
    group = c.rng.choice([1, 1, 2, 3])
    per_in, per_out = c.rng.randint(1, 3), c.rng.randint(1, 3)
    if c.maybe(0.2):
        per_in, per_out, group = 1, c.rng.randint(1, 2), c.rng.randint(2, 6)
    spatial = [c.rng.randint(4, 8) for _ in range(axes)]
    kernel = [c.rng.randint(1, 3) for _ in range(axes)]
    c.special = False
    n = c.dim(1, 2)
    transposed = c.op == "ConvTranspose"
    weights = [group * per_in, per_out] + kernel if transposed else [group * per_out, per_in] + kernel
    if c.op in ("ConvInteger", "QLinearConv"):
        a, b = c.type("T1"), c.type("T2")
        x = [n, group * per_in] + spatial
        c.tensor(a, x)
        if c.op == "ConvInteger":
            c.tensor(b, weights)
            if c.maybe():
                c.tensor(a, [])
                if c.maybe():
                    c.tensor(b, c.rng.choice([[], [1]]) if a == U8 else [])
        else:
            y = c.type("T3", (a,))
            per_channel = c.maybe()
            c.tensor(F32, [], 0.01, 0.1), c.tensor(a, [])
            c.tensor(b, weights)
            c.tensor(F32, [group * per_out] if per_channel else [], 0.01, 0.1)
            if b == U8 or not per_channel:
                c.tensor(b, []) if not per_channel else c.add(np.full([group * per_out], 3), b)
            else:
                c.add(np.zeros([group * per_out]), b)
            c.tensor(F32, [], 0.05, 0.2), c.tensor(y, [])
            if c.maybe():
                c.tensor(I32, [group * per_out], -100, 100)
    else:
        element = c.type("T")
        c.tensor(element, [n, group * per_in] + spatial)
        c.tensor(element, weights)
        if c.maybe(0.7):
            c.tensor(element, [group * per_out])
    c.set("group", group, 1)
    if c.maybe():
        c.set("kernel_shape", kernel)
    window(c, spatial, kernel)
    if transposed:
        strides = c.attributes.get("strides", [1] * axes)
        if c.maybe(0.3):
            c.set("output_padding", [c.rng.randint(0, s - 1) for s in strides])
        if c.maybe(0.15) and "auto_pad" not in c.attributes:
            c.attributes.pop("pads", None)
            dilations = c.attributes.get("dilations", [1] * axes)
            c.set(
                "output_shape",
                [
                    s * (i - 1) + (k - 1) * d + 1 - c.rng.randint(0, 1)
                    for s, i, k, d in zip(strides, spatial, kernel, dilations)
                ],
            )


def pool(c):
    axes = c.rng.choice([1, 2, 2, 3])
    spatial = [c.rng.randint(3, 8) for _ in range(axes)]
    kernel = [c.rng.randint(1, 3) for _ in range(axes)]
    c.special = False
    c.tensor(c.type("T"), [c.dim(1, 2), c.dim(1, 3)] + spatial)
    c.set("kernel_shape", kernel)
    window(c, spatial, kernel, pooling=True)
    if (
        "ceil_mode" in c.schema.attributes
        and c.maybe(0.4)
        and not str(c.attributes.get("auto_pad", "")).startswith("SAME")
    ):
        c.set("ceil_mode", c.rng.randint(0, 1), 0)
    if c.op == "AveragePool" and c.maybe():
        c.set("count_include_pad", c.rng.randint(0, 1), 0)
    if c.op == "AveragePool" and c.version >= 19 and c.maybe(0.3) and "auto_pad" not in c.attributes:
        c.set("dilations", [c.rng.randint(1, 2) for _ in kernel])
    if c.op == "LpPool" and c.maybe():
        c.set("p", c.rng.randint(1, 3), 2)
    if c.op == "MaxPool":
        if c.maybe(0.2):
            c.set("storage_order", c.rng.randint(0, 1), 0)
        c.output_count = c.rng.randint(1, 2) if c.version >= 8 else 1


def global_pool(c):
    c.special = False
    c.tensor(c.type("T"), [c.dim(1, 2), c.dim(1, 3)] + [c.dim(1, 4) or 1 for _ in range(c.rng.randint(1, 3))])
    if c.op == "GlobalLpPool" and c.maybe():
        c.set("p", c.rng.randint(1, 3), 2)


def batch_normalization(c):
    shape = [c.dim(1, 3), c.dim(1, 4)] + [c.dim(1, 3) for _ in range(c.rng.randint(0, 3))]
    x = c.type("T")
    c.special = False
    c.tensor(x, shape)
    parameter = x if c.version < 14 else c.type("T1") if c.version >= 15 else x
    statistic = x if c.version < 14 else c.type("T2") if c.version >= 15 else c.type("U")
    for low, high, element in ((0.5, 2, parameter), (-1, 1, parameter), (-1, 1, statistic), (0.3, 2, statistic)):
        c.tensor(element, [shape[1]], low, high)
    if c.maybe():
        c.set("epsilon", 0.01)
    if c.maybe():
        c.set("momentum", 0.8)


def instance_normalization(c):
    shape = [c.dim(1, 3), c.rng.randint(1, 4)] + [c.dim(1, 4) for _ in range(c.rng.randint(1, 3))]
    c.special = False
    element = c.type("T")
    c.tensor(element, shape), c.tensor(element, [shape[1]]), c.tensor(element, [shape[1]])
    if c.maybe():
        c.set("epsilon", 0.01)


def group_normalization(c):
    groups, per = c.rng.randint(1, 3), c.rng.randint(1, 3)
    shape = [c.dim(1, 3), groups * per] + [c.rng.randint(1, 4) for _ in range(c.rng.randint(1, 3))]
    c.special = False
    element = c.type("T")
    count = groups if c.version < 21 else groups * per
    c.tensor(element, shape), c.tensor(element, [count]), c.tensor(element, [count])
    c.set("num_groups", groups)
    if c.maybe():
        c.set("epsilon", 0.01)


def layer_normalization(c):
    shape = [c.rng.randint(1, 4) for _ in range(c.rng.randint(1, 4))]
    axis = c.axis(len(shape))
    c.special = False
    element = c.type("T")
    c.tensor(element, shape)
    weights = shape[axis % len(shape) :]
    c.tensor(element if c.op == "LayerNormalization" or c.maybe() else c.type("V"), weights)
    if c.op == "LayerNormalization" and c.maybe():
        c.tensor(element, weights)
    c.set("axis", axis, -1)
    if c.maybe():
        c.set("epsilon", 0.01)
    if c.op == "LayerNormalization" and element in (F32,) and c.maybe(0.3):
        c.output_count = 3


def max_unpool(c):
    n, d, h, w = 1, c.rng.randint(1, 2), c.rng.randint(1, 3), c.rng.randint(1, 3)
    c.tensor(c.type("T1"), [n, d, h, w])
    total = d * 4 * h * w
    c.ints(c.np.permutation(total)[: d * h * w].reshape(n, d, h, w), kind="input")
    c.set("kernel_shape", [2, 2]), c.set("strides", [2, 2])


def max_roi_pool(c):
    c.special = False
    c.tensor(c.type("T"), [2, 2, 6, 6])
    c.add([[c.rng.randint(0, 1), 0, 1, 3, 5], [0, 2, 2, 5, 5]], c.inputs[0].element, "input")
    c.set("pooled_shape", [c.rng.randint(1, 3), c.rng.randint(1, 3)])
    if c.maybe():
        c.set("spatial_scale", 0.5)


def roi_align(c):
    element = c.type("T1")
    c.special = False
    c.tensor(element, [2, 2, 6, 6])
    c.add([[0, 1, 3, 5], [1.2, 0.7, 4.1, 3.3]], element)
    c.ints([0, 1])
    c.set("output_height", c.rng.randint(1, 3)), c.set("output_width", c.rng.randint(1, 3))
    c.set("sampling_ratio", c.rng.randint(0, 2), 0)
    if c.maybe():
        c.set("spatial_scale", 0.5)
    if c.maybe():
        c.set("mode", "avg" if c.maybe() else "max", "avg")
    if c.version >= 16 and c.maybe():
        c.set("coordinate_transformation_mode", c.rng.choice(["half_pixel", "output_half_pixel"]))


def det(c):
    size = c.rng.randint(1, 4)
    c.special = False
    c.tensor(c.type("T"), c.shape(0, 2) + [size, size])


def einsum(c):
    element = c.type("T")
    c.special = False
    text, shapes = c.rng.choice(
        [
            ("ij,jk->ik", [[2, 3], [3, 4]]),
            ("bij,bjk->bik", [[2, 2, 3], [2, 3, 2]]),
            ("ii->i", [[3, 3]]),
            ("ij->ji", [[2, 3]]),
            ("ij,ij->", [[2, 3], [2, 3]]),
            ("...ij,...jk->...ik", [[2, 2, 3], [3, 4]]),
            ("i,j->ij", [[2], [3]]),
            ("bhid,bhjd->bhij", [[1, 2, 3, 2], [1, 2, 4, 2]]),
            ("ij", [[2, 3]]),
            ("abc,cd", [[2, 2, 3], [3, 2]]),
            ("i,i,i->i", [[3], [3], [3]]),
            (" b n , n -> b ", [[2, 3], [3]]),
        ]
    )
    for shape in shapes:
        c.tensor(element, shape)
    c.set("equation", text)


RECIPES = {
    "MatMul": matmul,
    "Gemm": gemm,
    "Conv": conv,
    "ConvTranspose": conv,
    "ConvInteger": conv,
    "QLinearConv": conv,
    "AveragePool": pool,
    "MaxPool": pool,
    "LpPool": pool,
    "GlobalAveragePool": global_pool,
    "GlobalMaxPool": global_pool,
    "GlobalLpPool": global_pool,
    "BatchNormalization": batch_normalization,
    "InstanceNormalization": instance_normalization,
    "GroupNormalization": group_normalization,
    "LayerNormalization": layer_normalization,
    "RMSNormalization": layer_normalization,
    "MaxUnpool": max_unpool,
    "MaxRoiPool": max_roi_pool,
    "RoiAlign": roi_align,
    "Det": det,
    "Einsum": einsum,
}
