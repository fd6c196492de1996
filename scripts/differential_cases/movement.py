"""Recipes for operators that move, pick or make elements."""

import numpy as np
from onnx import numpy_helper

from .builder import BOOL, FLOATS, I32, I64, STRING, Skip


def concat(c):
    element = c.type("T")
    shape = c.shape(1)
    axis = c.axis(len(shape))
    for _ in range(c.rng.randint(1, 4)):
        own = list(shape)
        own[axis] = c.dim(0, 4)
        c.tensor(element, own)
    c.set("axis", axis if c.version >= 11 else axis % len(shape))


def split(c):
    element = c.type("T")
    shape = c.shape(1)
    axis = c.axis(len(shape))
    parts = c.rng.randint(1, 4)
    c.output_count = parts
    sizes = [c.rng.randint(0 if c.maybe(0.2) else 1, 3) for _ in range(parts)]
    uneven = c.version >= 18 and c.maybe(0.3)
    given = c.maybe()
    if not given:
        sizes = [c.rng.randint(1, 3)] * parts
        if uneven:
            sizes[-1] = c.rng.randint(1, sizes[0])
            total = sum(sizes)
            if -(-total // parts) != sizes[0]:
                raise Skip
    shape[axis] = sum(sizes)
    c.tensor(element, shape)
    if c.maybe(0.8):
        c.set("axis", axis if c.version >= 11 else axis % len(shape), 0)
    elif axis % len(shape):
        c.set("axis", axis % len(shape))
    if given:
        c.ints(sizes) if c.version >= 13 else c.set("split", sizes)
    elif c.version >= 18:
        c.set("num_outputs", parts)


def slice_(c):
    element = c.type("T")
    shape = c.shape(1)
    axes = c.axes(len(shape), low=1)
    starts = [c.rng.randint(-d - 2, d + 2) for d in (shape[a] for a in axes)]
    far = [2**31 - 1, -(2**31), 2**63 - 1, -(2**63)]
    ends = [c.rng.choice([c.rng.randint(-d - 2, d + 2)] + far) for d in (shape[a] for a in axes)]
    steps = [c.rng.choice([1, 1, 2, 3, -1, -2, -(2**31)]) for _ in axes]
    # onnxruntime reads the largest integer as the far end, also backwards, which the specification does not.
    ends = [e if s > 0 or e not in (2**31 - 1, 2**63 - 1) else -(2**31) for s, e in zip(steps, ends)]
    c.tensor(element, shape)
    if c.version < 10:
        c.set("starts", starts), c.set("ends", ends)
        axes = [a % len(shape) for a in axes]
        if axes != list(range(len(axes))) or c.maybe():
            c.set("axes", axes)
        return
    index = c.rng.choice([I32, I64])
    if index == I32:
        ends = [max(-(2**31), min(2**31 - 1, e)) for e in ends]
    c.ints(starts, index), c.ints(ends, index)
    if axes != list(range(len(axes))) or c.maybe():
        c.ints(axes, index)
    else:
        c.skip()
    if c.maybe():
        c.ints(steps, index)


def transpose(c):
    shape = c.shape(0, 5)
    c.tensor(c.type("T"), shape)
    if c.maybe(0.8):
        c.set("perm", c.rng.sample(range(len(shape)), len(shape)))


def reshape(c):
    shape = c.shape(0, 5)
    c.tensor(c.type("T"), shape)
    count = int(np.prod(shape))
    target, rest = [], count
    if count == 0:
        target = c.rng.choice([[0], [0, 3], shape])
        if target != shape and not (c.version >= 14):
            target = [0] * len(shape)
            for i, d in enumerate(shape):
                target[i] = 0 if c.maybe() else d
        elif target != shape:
            c.set("allowzero", 1)
    else:
        while rest > 1 or c.maybe(0.2):
            divisors = [d for d in range(1, rest + 1) if rest % d == 0]
            d = c.rng.choice(divisors)
            target.append(d)
            rest //= d
        for i in range(min(len(target), len(shape))):
            if target[i] == shape[i] and c.maybe(0.4):
                target[i] = 0
        if target and c.maybe(0.4):
            target[c.rng.randrange(len(target))] = -1
    c.ints(target)


def flatten(c):
    shape = c.shape()
    c.tensor(c.type("T"), shape)
    if c.maybe(0.8):
        rank = len(shape)
        axis = c.rng.randint(-rank, rank) if c.version >= 11 else c.rng.randint(0, rank)
        c.set("axis", axis, 1)
    elif not shape:
        c.set("axis", 0)


def squeeze(c):
    shape = c.shape(1)
    axes = c.axes(len(shape), low=1)
    for a in axes:
        shape[a] = 1
    c.tensor(c.type("T"), shape)
    if c.version < 11:
        axes = [a % len(shape) for a in axes]
    if c.maybe(0.8):
        c.ints(axes) if c.version >= 13 else c.set("axes", axes)


def unsqueeze(c):
    shape = c.shape(0, 3)
    rank = len(shape) + c.rng.randint(1, 2)
    axes = c.axes(rank)[: rank - len(shape)]
    while len(axes) < rank - len(shape):
        axes = c.axes(rank, low=rank)[: rank - len(shape)]
    c.tensor(c.type("T"), shape)
    if c.version < 11:
        axes = sorted(a % rank for a in axes)
    c.ints(axes) if c.version >= 13 else c.set("axes", axes)


def expand(c):
    shape = c.shape()
    c.tensor(c.type("T"), c.broadcastable(shape))
    c.ints(c.broadcastable(shape) if c.maybe(0.3) else shape)


def tile(c):
    shape = c.shape()
    c.tensor(c.type("T"), shape)
    c.ints([c.rng.choice([1, 1, 2, 3, 0]) for _ in shape])


def pad(c):
    shape = [max(1, d) for d in c.shape(1)]
    modes = ["constant", "constant", "reflect", "edge"] + (["wrap"] if c.version >= 19 else [])
    mode = c.rng.choice(modes)
    element = c.type("T")
    c.tensor(element, shape)
    axes = list(range(len(shape)))
    given = c.version >= 18 and c.maybe(0.4)
    if given:
        axes = c.axes(len(shape), low=1)

    def one(d):
        limit = 3 if mode in ("constant", "edge") else d - 1 if mode == "reflect" else d
        return c.rng.randint(0, max(0, limit))

    pads = [one(shape[a]) for a in axes + axes]
    if mode == "constant" and c.maybe(0.2):
        for i, a in enumerate(axes):
            if shape[a] > 1:
                pads[i] = -1
    c.set("mode", mode, "constant")
    if c.version < 11:
        c.set("pads", pads)
        if c.maybe():
            c.set("value", 1.5)
        return
    c.ints(pads)
    if c.maybe() and mode == "constant":
        c.tensor(element, c.one())
    else:
        c.skip()
    if given:
        c.ints(axes, c.rng.choice([I32, I64]))


def gather(c):
    shape = [max(1, d) for d in c.shape(1)]
    axis = c.axis(len(shape))
    c.tensor(c.type("T"), shape)
    low = -shape[axis] if c.version >= 11 else 0
    if c.op == "GatherElements":
        own = [c.rng.randint(1, d) for d in shape]
        own[axis] = c.dim(0, 4)
        index = c.np.integers(low, shape[axis], own)
    else:
        index = c.np.integers(low, shape[axis], c.shape(0, 2))
    c.ints(index, c.rng.choice([I32, I64]))
    if axis or c.maybe():
        c.set("axis", axis if c.version >= 11 else axis % len(shape))


def gather_nd(c):
    shape = [c.dim(1, 4) or 1 for _ in range(c.rng.randint(1, 4))]
    batch = c.rng.randint(0, len(shape) - 1) if c.version >= 12 else 0
    depth = c.rng.randint(1, len(shape) - batch)
    lead = shape[:batch] + [c.dim(1, 3) for _ in range(c.rng.randint(0, 2))]
    index = np.stack([c.np.integers(-d, d, lead) for d in shape[batch : batch + depth]], -1)
    c.tensor(c.type("T"), shape)
    c.ints(index)
    if batch:
        c.set("batch_dims", batch)


def reductions_of(c):
    if c.version >= 18:
        return c.rng.choice(["none", "add", "mul", "max", "min"])
    return c.rng.choice(["none", "add", "mul"]) if c.version >= 16 else "none"


def scatter(c):
    shape = [max(1, d) for d in c.shape(1)]
    axis = c.axis(len(shape))
    element = c.type("T")
    reduction = reductions_of(c) if c.op == "ScatterElements" and element not in (STRING, BOOL) else "none"
    c.special = False
    c.tensor(element, shape)
    own = [c.rng.randint(1, d) for d in shape]
    index = c.np.integers(0, shape[axis], own)
    if reduction == "none":
        # Places that are written twice have no defined winner.
        places = np.random.default_rng(c.rng.getrandbits(32)).random(
            [shape[axis] if i == axis % len(shape) else d for i, d in enumerate(own)]
        )
        index = np.take(np.argsort(places, axis=axis), range(own[axis]), axis=axis)
    if c.maybe() and c.version >= 11:
        index = np.where(c.np.random(own) < 0.3, index - shape[axis], index)
    c.ints(index, c.rng.choice([I32, I64]))
    c.tensor(element, own)
    if axis or c.maybe():
        c.set("axis", axis if c.version >= 11 else axis % len(shape))
    if reduction != "none":
        c.set("reduction", reduction)


def scatter_nd(c):
    shape = [c.dim(1, 4) or 1 for _ in range(c.rng.randint(1, 4))]
    depth = c.rng.randint(1, len(shape))
    element = c.type("T")
    reduction = reductions_of(c) if element not in (STRING, BOOL) else "none"
    places = int(np.prod(shape[:depth]))
    count = c.rng.randint(1, places)
    flat = c.np.permutation(places)[:count] if reduction == "none" else c.np.integers(0, places, count)
    index = np.stack(np.unravel_index(flat, shape[:depth]), -1)
    c.special = False
    c.tensor(element, shape)
    c.ints(index)
    c.tensor(element, [count] + shape[depth:])
    if reduction != "none":
        c.set("reduction", reduction)


def one_hot(c):
    shape = c.shape(0, 3)
    depth = c.rng.randint(1, 5)
    kind, depth_kind = c.type("T1"), c.type("T2")
    if kind in FLOATS:
        c.add(c.np.integers(0, depth, shape), kind, "input")
    else:
        c.tensor(kind, shape, -depth if c.version >= 11 else 0, depth - 1)
    c.add(np.array(depth) if c.maybe() else np.array([depth]), depth_kind)
    c.tensor(c.type("T3"), [2])
    if c.maybe():
        c.set("axis", c.rng.randint(-len(shape) - 1, len(shape)), -1)


def compress(c):
    shape = c.shape(1)
    c.tensor(c.type("T"), shape)
    axis = c.axis(len(shape)) if c.maybe() else None
    size = int(np.prod(shape)) if axis is None else shape[axis]
    c.add(c.values(BOOL, [c.rng.randint(0, size)]), BOOL)
    if axis is not None:
        c.set("axis", axis if c.version >= 11 else axis % len(shape))


def one_input(c):
    """NonZero, Shape, Size."""
    shape = c.shape(1 if c.op == "NonZero" else 0)
    c.tensor(c.type("T"), shape)
    if c.op == "Shape" and c.version >= 15:
        if c.maybe():
            c.set("start", c.rng.randint(-5, 5), 0)
        if c.maybe():
            c.set("end", c.rng.randint(-5, 5))


def unique(c):
    shape = [max(1, d) for d in c.shape(1, 3)]
    c.special = False
    element = c.type("T")
    c.tensor(element, shape, *((0, 3) if element not in FLOATS else (None, None)))
    if c.maybe():
        c.set("axis", c.axis(len(shape)))
    if c.maybe():
        c.set("sorted", c.rng.randint(0, 1), 1)
    c.output_count = c.rng.choice([1, 4])


def top_k(c):
    shape = [max(1, d) for d in c.shape(1)]
    axis = c.axis(len(shape))
    k = c.rng.randint(0 if c.version >= 10 and c.maybe(0.1) else 1, shape[axis])
    element = c.type("T")
    c.special = False
    c.tensor(element, shape)
    if c.version < 10:
        c.set("k", k)
    else:
        c.ints([k] if c.maybe(0.9) else k)
    if c.maybe() or axis % len(shape) != len(shape) - 1:
        c.set("axis", axis if c.version >= 11 else axis % len(shape))
    if c.version >= 11 and c.maybe():
        c.set("largest", c.rng.randint(0, 1), 1)
    c.output_count = 2


def trilu(c):
    c.tensor(c.type("T"), c.shape(2))
    if c.maybe():
        c.add(np.full(c.one(), c.rng.randint(-4, 4)), I64)
    if c.maybe():
        c.set("upper", c.rng.randint(0, 1), 1)


def eye_like(c):
    c.tensor(c.type("T1"), c.shape(2, 2))
    if c.maybe():
        c.set("k", c.rng.randint(-3, 3), 0)
    if c.maybe():
        c.set("dtype", c.type("T2"))


def reverse_sequence(c):
    shape = [max(1, d) for d in c.shape(2)]
    batch = c.rng.randint(0, 1)
    c.tensor(c.type("T"), shape)
    c.ints(c.np.integers(1, shape[1 - batch] + 1, shape[batch]))
    c.set("batch_axis", batch, 1), c.set("time_axis", 1 - batch, 0)


def depth_to_space(c):
    block = c.rng.randint(1, 3)
    n, d, h, w = c.dim(1, 2), c.rng.randint(1, 3), c.rng.randint(1, 3), c.rng.randint(1, 3)
    if c.op == "DepthToSpace":
        c.tensor(c.type("T"), [n, d * block * block, h, w])
        if c.version >= 11 and c.maybe():
            c.set("mode", c.rng.choice(["DCR", "CRD"]), "DCR")
    else:
        c.tensor(c.type("T"), [n, d, h * block, w * block])
    c.set("blocksize", block)


def range_(c):
    element = c.type("T")
    start, limit, delta = c.rng.randint(-5, 9), c.rng.randint(-5, 9), c.rng.choice([1, 2, 3, -1, -2])
    if element in FLOATS:
        start, limit = start * 0.5, limit * 0.5
    shape = c.one()
    for value in (start, limit, delta):
        c.add(np.full(shape, value), element)


def constant_of_shape(c):
    c.ints(c.shape())
    if c.maybe(0.8):
        c.set("value", numpy_helper.from_array(np.atleast_1d(c.values(c.type("T2"), [1]))))


def center_crop_pad(c):
    shape = c.shape(1)
    axes = c.axes(len(shape), low=1) if c.maybe() else None
    c.tensor(c.type("T"), shape)
    c.ints([c.dim(1, 6) for _ in (axes if axes is not None else shape)], c.rng.choice([I32, I64]))
    if axes is not None:
        c.set("axes", axes)


def tensor_scatter(c):
    batch, heads, length, size = c.dim(1, 2), c.rng.randint(1, 2), c.rng.randint(2, 5), c.rng.randint(1, 3)
    four = c.maybe()
    shape = [batch, heads, length, size] if four else [batch, length, size]
    update = list(shape)
    update[-2] = c.rng.randint(1, length)
    element = c.type("T")
    c.tensor(element, shape), c.tensor(element, update)
    circular = c.maybe()
    if c.maybe(0.8):
        c.ints(c.np.integers(0, (length if circular else length - update[-2]) + (0 if circular else 1), batch))
    c.set("mode", "circular" if circular else "linear", "linear")


RECIPES = {
    "Concat": concat,
    "Split": split,
    "Slice": slice_,
    "Transpose": transpose,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Expand": expand,
    "Tile": tile,
    "Pad": pad,
    "Gather": gather,
    "GatherElements": gather,
    "GatherND": gather_nd,
    "ScatterElements": scatter,
    "Scatter": scatter,
    "ScatterND": scatter_nd,
    "OneHot": one_hot,
    "Compress": compress,
    "NonZero": one_input,
    "Shape": one_input,
    "Size": one_input,
    "Unique": unique,
    "TopK": top_k,
    "Trilu": trilu,
    "EyeLike": eye_like,
    "ReverseSequence": reverse_sequence,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": depth_to_space,
    "Range": range_,
    "ConstantOfShape": constant_of_shape,
    "CenterCropPad": center_crop_pad,
    "TensorScatter": tensor_scatter,
}
