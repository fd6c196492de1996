"""Recipes for resampling, recurrence, attention, losses, signals, detection and strings."""

import numpy as np

from .builder import BOOL, F32, FLOATS, I32, I64, I8, STRING, U8


def resize(c):
    rank = c.rng.choice([2, 3, 4, 4])
    element = c.type("T1" if c.version >= 11 else "T", tuple(FLOATS) + (I32, I8, U8))
    c.special = False
    shape = [c.rng.randint(1, 2), c.rng.randint(1, 2)] + [c.rng.randint(2, 5) for _ in range(rank - 2)]
    if rank == 2:
        shape = [c.rng.randint(2, 5), c.rng.randint(2, 5)]
    first = 0 if rank == 2 else 2
    mode = c.rng.choice(["nearest", "linear"] + (["cubic"] if c.version >= 11 and rank == 4 else []))
    c.tensor(element, shape)
    factors = [1.0] * first + [c.rng.choice([0.5, 0.6, 0.8, 1.5, 2.0, 2.5, 3.0, 1.0]) for _ in shape[first:]]
    if c.version == 10 or c.op == "Upsample":
        if c.op == "Upsample" or mode == "linear":
            factors = [max(1.0, f) for f in factors]
        c.set("mode", mode, "nearest")
        if c.op == "Upsample" and c.version < 9:
            c.set("scales", factors)
        else:
            c.add(np.array(factors, dtype=np.float32), F32, c.rng.choice(["initializer", "constant", "input"]))
        return
    coordinates = c.rng.choice(
        ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
        + (["half_pixel_symmetric"] if c.version >= 19 else [])
    )
    c.set("coordinate_transformation_mode", coordinates, "half_pixel")
    c.set("mode", mode, "nearest")
    if mode == "nearest":
        c.set(
            "nearest_mode",
            c.rng.choice(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]),
            "round_prefer_floor",
        )
    if mode == "cubic":
        if c.maybe():
            c.set("cubic_coeff_a", -0.5)
        if c.maybe():
            c.set("exclude_outside", 1)
    axes = None
    if c.version >= 18:
        if c.maybe(0.3) and mode != "nearest":
            c.set("antialias", 1)
        if c.maybe(0.3):
            axes = list(range(first, rank))
            c.set("axes", axes)
    picked = lambda v: [v[a] for a in axes] if axes else v
    if c.version < 13:
        c.add(np.zeros([0]), F32, "initializer")
    else:
        c.skip()
    if c.maybe():
        c.add(np.array(picked(factors), dtype=np.float32), F32)
    else:
        if c.version < 13:
            c.add(np.zeros([0]), F32, "initializer")
        else:
            c.skip()
        sizes = [d if f == 1.0 else c.rng.randint(1, 8) for d, f in zip(shape, factors)]
        c.ints(picked(sizes))
        if c.version >= 18 and c.maybe(0.3):
            c.set("keep_aspect_ratio_policy", c.rng.choice(["stretch", "not_larger", "not_smaller"]))


def grid_sample(c):
    element = c.type("T1", FLOATS + (I32, I64, U8))
    grid = c.type("T2") if any(e.type_param_str == "T2" for e in c.schema.type_constraints) else element
    axes = 2 if c.version < 20 else c.rng.choice([2, 2, 3])
    c.special = False
    spatial = [c.rng.randint(2, 5) for _ in range(axes)]
    c.tensor(element, [2, 2] + spatial)
    c.tensor(grid, [2] + [c.rng.randint(1, 4) for _ in range(axes)] + [axes], -1.3, 1.3)
    names = ["bilinear", "nearest", "bicubic"] if c.version < 20 else ["linear", "nearest", "cubic"]
    mode = c.rng.choice(names[:2] if axes == 3 else names)
    c.set("mode", mode, names[0])
    c.set("padding_mode", c.rng.choice(["zeros", "border", "reflection"]), "zeros")
    c.set("align_corners", c.rng.randint(0, 1), 0)


def affine_grid(c):
    axes = c.rng.choice([2, 3])
    element = c.type("T1")
    c.tensor(element, [2, axes, axes + 1], -1, 1)
    c.ints([2, 3] + [c.rng.randint(1, 4) for _ in range(axes)])
    if c.maybe():
        c.set("align_corners", c.rng.randint(0, 1), 0)


def col2im(c):
    block = [c.rng.randint(1, 2), c.rng.randint(1, 3)]
    image = [c.rng.randint(3, 5), c.rng.randint(3, 5)]
    pads = [c.rng.randint(0, 1) for _ in range(4)]
    strides = [c.rng.randint(1, 2) for _ in range(2)]
    counts = [(i + pads[a] + pads[a + 2] - b) // s + 1 for a, (i, b, s) in enumerate(zip(image, block, strides))]
    c.tensor(c.type("T"), [2, 2 * block[0] * block[1], counts[0] * counts[1]])
    c.ints(image), c.ints(block)
    c.set("pads", pads), c.set("strides", strides)


def recurrent(c):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[c.op]
    element = c.type("T")
    c.special = False
    direction = c.rng.choice(["forward", "reverse", "bidirectional"])
    directions = 2 if direction == "bidirectional" else 1
    steps, batch, size, hidden = c.rng.randint(1, 4), c.rng.randint(1, 3), c.rng.randint(1, 4), c.rng.randint(1, 4)
    batch_first = c.version >= 14 and c.maybe(0.2)
    if batch_first:
        c.set("layout", 1)
    c.tensor(element, [batch, steps, size] if batch_first else [steps, batch, size])
    c.tensor(element, [directions, gates * hidden, size], -1, 1)
    c.tensor(element, [directions, gates * hidden, hidden], -1, 1)
    c.set("hidden_size", hidden)
    c.set("direction", direction, "forward")
    if c.maybe():
        c.tensor(element, [directions, 2 * gates * hidden], -1, 1)
    else:
        c.skip()
    if c.maybe(0.4):
        c.add(c.np.integers(1, steps + 1, batch), I32)
    else:
        c.skip()
    state = [batch, directions, hidden] if batch_first else [directions, batch, hidden]
    for _ in range(2 if c.op == "LSTM" else 1):
        c.tensor(element, state, -1, 1) if c.maybe() else c.skip()
    if c.op == "LSTM" and c.maybe(0.3):
        c.tensor(element, [directions, 3 * hidden], -1, 1)
    if c.maybe(0.3):
        c.set("clip", 0.7)
    if c.op == "GRU" and c.maybe():
        c.set("linear_before_reset", 1)
    if c.op == "LSTM" and c.maybe(0.2):
        c.set("input_forget", 1)
    if c.maybe(0.3):
        per = {"RNN": 1, "GRU": 2, "LSTM": 3}[c.op]
        c.set(
            "activations",
            [
                c.rng.choice(["Tanh", "Sigmoid", "Relu", "Softsign", "HardSigmoid", "Elu"])
                for _ in range(per * directions)
            ],
        )
    c.output_count = 3 if c.op == "LSTM" else 2


def attention(c):
    element = c.type("T1")
    c.special = False
    batch, kv, q_per, length, past, size = (
        2,
        c.rng.randint(1, 2),
        c.rng.randint(1, 2),
        c.rng.randint(1, 4),
        c.rng.choice([0, 0, 2]),
        c.rng.choice([2, 4]),
    )
    keys = c.rng.randint(1, 4)
    heads = kv * q_per
    if c.maybe():
        (
            c.tensor(element, [batch, heads, length, size]),
            c.tensor(element, [batch, kv, keys, size]),
            c.tensor(element, [batch, kv, keys, size]),
        )
    else:
        (
            c.tensor(element, [batch, length, heads * size]),
            c.tensor(element, [batch, keys, kv * size]),
            c.tensor(element, [batch, keys, kv * size]),
        )
        c.set("q_num_heads", heads), c.set("kv_num_heads", kv)
    total = keys + past
    if c.maybe():
        mask = c.rng.choice(
            [[length, total], [1, 1, length, total], [batch, 1, length, total], [batch, heads, length, total]]
        )
        if c.maybe():
            x = c.values(BOOL, mask)
            x[..., 0] = True
            c.add(x, BOOL)
        else:
            c.tensor(element, mask)
    else:
        c.skip()
    if past:
        c.tensor(element, [batch, kv, past, size]), c.tensor(element, [batch, kv, past, size])
        c.output_count = 3
    elif c.version >= 24 and c.maybe(0.3):
        c.skip(), c.skip()
        c.ints(c.np.integers(1, keys + 1, batch))
    if c.maybe(0.2):
        c.output_count = 4
        c.set("qk_matmul_output_mode", c.rng.randint(0, 3), 0)
        if not past:
            # Without a cache outputs 1 and 2 are left out.
            c.skipped_outputs = (1, 2)
    if c.maybe(0.3):
        c.set("is_causal", 1)
    if c.maybe(0.3):
        c.set("scale", 0.7)
    if c.maybe(0.3):
        c.set("softcap", 1.5)


def rotary(c):
    element = c.type("T")
    batch, heads, length, size = 2, c.rng.randint(1, 3), c.rng.randint(1, 4), c.rng.choice([4, 6, 8])
    rotary_size = c.rng.choice([0, 4])
    half = (rotary_size or size) // 2
    if c.maybe():
        c.tensor(element, [batch, heads, length, size])
    else:
        c.tensor(element, [batch, length, heads * size])
        c.set("num_heads", heads)
    if c.maybe():
        c.tensor(element, [9, half]), c.tensor(element, [9, half])
        c.add(c.np.integers(0, 9, [batch, length]), I64)
    else:
        c.tensor(element, [batch, length, half]), c.tensor(element, [batch, length, half])
    if rotary_size:
        c.set("rotary_embedding_dim", rotary_size)
    c.set("interleaved", c.rng.randint(0, 1), 0)


def loss(c):
    n, classes = c.rng.randint(1, 4), c.rng.randint(2, 5)
    extra = [c.rng.randint(1, 3) for _ in range(c.rng.randint(0, 2))]
    element = c.type("T")
    c.special = False
    c.tensor(element, [n, classes] + extra)
    c.add(c.np.integers(0, classes, [n] + extra), c.type("Tind"), "input")
    if c.maybe():
        c.tensor(element, [classes], 0.5, 2)
    c.set("reduction", c.rng.choice(["none", "mean", "sum"]), "mean")
    if c.maybe(0.3):
        c.set("ignore_index", c.rng.randint(0, classes - 1))
    if c.op == "SoftmaxCrossEntropyLoss":
        c.output_count = c.rng.randint(1, 2)


def dft(c):
    element = c.type("T1")
    c.special = False
    shape = [c.rng.randint(1, 2), c.rng.randint(1, 6), c.rng.randint(1, 6)]
    parts = c.rng.choice([1, 2])
    c.tensor(element, shape + [parts])
    axis = c.rng.choice([1, 2])
    if c.maybe(0.3):
        c.ints(c.rng.randint(1, 7))
    else:
        c.skip()
    if c.version >= 20:
        if c.maybe():
            c.ints(axis)
    else:
        c.set("axis", axis, 1)
    inverse = parts == 2 and c.maybe()
    if inverse:
        c.set("inverse", 1)
    elif parts == 1 and c.maybe():
        c.set("onesided", 1)


def stft(c):
    element = c.type("T1")
    c.special = False
    c.tensor(element, [2, 16, 1])
    c.ints(c.rng.randint(1, 5), kind="initializer")
    if c.maybe():
        c.tensor(element, [8])
    else:
        c.skip()
        c.ints(8, kind="initializer")
    if c.maybe():
        c.set("onesided", c.rng.randint(0, 1), 1)


def window_function(c):
    c.ints(c.rng.randint(1, 12), c.type("T1", (I32, I64)))
    if c.maybe():
        c.set("periodic", c.rng.randint(0, 1), 1)
    if c.maybe(0.6):
        c.set("output_datatype", c.type("T2"))


def non_max_suppression(c):
    batch, classes, count = c.rng.randint(1, 2), c.rng.randint(1, 2), c.rng.randint(1, 6)
    c.tensor(F32, [batch, count, 4], 0, 1)
    c.tensor(F32, [batch, classes, count], 0, 1)
    if c.maybe(0.9):
        c.add(np.full(c.one() or [1], c.rng.randint(0, 4)), I64)
        if c.maybe(0.8):
            c.tensor(F32, c.one(), 0.1, 0.9)
            if c.maybe(0.8):
                c.tensor(F32, c.one(), 0.1, 0.6)
    c.set("center_point_box", c.rng.randint(0, 1), 0)


def string_unary(c):
    c.tensor(STRING, [max(1, d) for d in c.shape(1, 2)])
    if c.op == "StringSplit":
        if c.maybe():
            c.set("delimiter", c.rng.choice(["a", "-", "."]))
        c.output_count = 2
    if c.op == "RegexFullMatch":
        c.set("pattern", c.rng.choice(["[a-z]*", r"-?\d+(\.\d)?", "A?b"]))


def string_concat(c):
    shape = c.shape()
    c.tensor(STRING, c.broadcastable(shape)), c.tensor(STRING, c.broadcastable(shape))


def dropout(c):
    element = c.type("T")
    c.tensor(element, c.shape())
    if c.version < 12:
        if c.maybe():
            c.set("ratio", 0.3)
    elif c.maybe():
        c.add(np.array(0.3), c.type("T1"))
        if c.maybe():
            c.add(np.array(False), BOOL)
    c.output_count = c.rng.randint(1, 2)


def deform_conv(c):
    element = c.type("T")
    c.special = False
    kernel = [c.rng.randint(1, 2), c.rng.randint(1, 3)]
    group = c.rng.randint(1, 2)
    x = [1, 2 * group, 5, 4]
    out = [5 - kernel[0] + 1, 4 - kernel[1] + 1]
    c.tensor(element, x), c.tensor(element, [2 * group, 2] + kernel)
    c.tensor(element, [1, 2 * kernel[0] * kernel[1]] + out, -1, 1)
    c.tensor(element, [2 * group]) if c.maybe() else c.skip()
    if c.maybe():
        c.tensor(element, [1, kernel[0] * kernel[1]] + out, 0, 1)
    c.set("group", group, 1)


def split_to_sequence(c):
    shape = [c.rng.randint(1, 5), c.rng.randint(1, 4)]
    axis = c.axis(2)
    c.tensor(c.type("T"), shape)
    if c.maybe():
        half = shape[axis] // 2
        if c.maybe():
            c.ints([half, shape[axis] - half], c.type("I"))
        else:
            c.ints(c.rng.randint(1, 3), c.type("I"))
    elif c.maybe():
        c.set("keepdims", c.rng.randint(0, 1), 1)
    c.set("axis", axis, 0)


RECIPES = {
    "Resize": resize,
    "Upsample": resize,
    "GridSample": grid_sample,
    "AffineGrid": affine_grid,
    "Col2Im": col2im,
    "RNN": recurrent,
    "GRU": recurrent,
    "LSTM": recurrent,
    "Attention": attention,
    "RotaryEmbedding": rotary,
    "NegativeLogLikelihoodLoss": loss,
    "SoftmaxCrossEntropyLoss": loss,
    "DFT": dft,
    "STFT": stft,
    "HannWindow": window_function,
    "HammingWindow": window_function,
    "BlackmanWindow": window_function,
    "NonMaxSuppression": non_max_suppression,
    "StringSplit": string_unary,
    "RegexFullMatch": string_unary,
    "StringConcat": string_concat,
    "Dropout": dropout,
    "DeformConv": deform_conv,
    "SplitToSequence": split_to_sequence,
}
