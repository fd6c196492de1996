"""Graphs shaped like those that exporters write, with seeded random weights and inputs of several shapes.

`ALL` maps a name to a function that returns (model, list of inputs, whether a server may batch it).
"""

import numpy as np
from models import Builder
from onnx import TensorProto, helper

F, I, I32, H, B = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.FLOAT16, TensorProto.BOOL


def normal(*shape, seed=3):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def tokens(*shape, seed=4):
    return np.random.default_rng(seed).integers(0, 50, shape)


class Graph(Builder):
    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def size(self, x, axis):
        """Extent `axis` of x as a vector, the way PyTorch exports `x.size(axis)`."""
        return self.add("Unsqueeze", self.add("Gather", self.add("Shape", x), self.constant(np.int64(axis))), self.ints(0))

    def linear(self, x, k, n):
        return self.add("Add", self.add("MatMul", x, self.weight(k, n)), self.weight(n, scale=0.1))

    def conv(self, x, out, inner, size=3, **attributes):
        attributes.setdefault("pads", [size // 2] * 4)
        return self.add("Conv", x, self.weight(out, inner, size, size), self.weight(out, scale=0.1), **attributes)

    def layer_norm(self, x, width, decomposed=False):
        scale, bias = self.constant(1 + normal(width) / 10), self.weight(width, scale=0.1)
        if not decomposed:
            return self.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-5)
        centred = self.add("Sub", x, self.add("ReduceMean", x, axes=[-1]))
        variance = self.add("ReduceMean", self.add("Pow", centred, self.constant(np.float32(2))), axes=[-1])
        deviation = self.add("Sqrt", self.add("Add", variance, self.constant(np.float32(1e-5))))
        return self.add("Add", self.add("Mul", self.add("Div", centred, deviation), scale), bias)

    def gelu(self, x):
        inner = self.add("Erf", self.add("Div", x, self.constant(np.float32(2**0.5))))
        half = self.add("Mul", x, self.add("Add", inner, self.constant(np.float32(1))))
        return self.add("Mul", half, self.constant(np.float32(0.5)))

    def heads(self, x, heads, width):
        """[batch, length, heads * width] to [batch, heads, length, width]."""
        shape = self.add("Concat", self.size(x, 0), self.size(x, 1), self.ints(heads), self.ints(width), axis=0)
        return self.add("Transpose", self.add("Reshape", x, shape), perm=[0, 2, 1, 3])

    def attend(self, q, k, v, model, mask=None):
        scores = self.add("MatMul", q, self.add("Transpose", k, perm=[0, 1, 3, 2]))
        scores = self.add("Div", scores, self.constant(np.float32(4)))
        if mask:
            scores = self.add("Where", mask, scores, self.constant(np.float32(-1e9)))
        mixed = self.add("Transpose", self.add("MatMul", self.add("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        shape = self.add("Concat", self.size(mixed, 0), self.size(mixed, 1), self.ints(model), axis=0)
        return self.linear(self.add("Reshape", mixed, shape), model, model)


def text_lstm():
    """Embedding, bidirectional LSTM over [time, batch, features], last states: as PyTorch exports batch_first."""
    g = Graph(1)
    x = g.add("Transpose", g.add("Gather", g.weight(50, 12), "tokens"), perm=[1, 0, 2])
    _, last, _ = g.add("LSTM", x, g.weight(2, 64, 12), g.weight(2, 64, 16), g.weight(2, 128), "lengths", outputs=3,
                       hidden_size=16, direction="bidirectional")
    last = g.add("Reshape", g.add("Transpose", last, perm=[1, 0, 2]), g.ints(0, 32))
    y = g.add("Gemm", last, g.weight(32, 5), g.weight(5))
    cases = []
    for batch, length in ((1, 1), (1, 9), (4, 7)):
        lengths = np.maximum(1, length - np.arange(batch)).astype(np.int32)
        cases.append({"tokens": tokens(batch, length), "lengths": lengths})
    return g.model([("tokens", I, ["batch", "length"]), ("lengths", I32, ["batch"])], [(y, F, ["batch", 5])]), cases, True


def gru_time_first():
    """The batch is axis 1, of the input and of the output."""
    g = Graph(2)
    y, last = g.add("GRU", "x", g.weight(1, 48, 8), g.weight(1, 48, 16), g.weight(1, 96), "", "h", outputs=2,
                    hidden_size=16, linear_before_reset=1)
    y = g.add("Squeeze", y, g.ints(1))
    cases = [{"x": normal(t, b, 8), "h": normal(1, b, 16)} for t, b in ((5, 1), (3, 3), (3, 5))]
    return (g.model([("x", F, ["time", "batch", 8]), ("h", F, [1, "batch", 16])],
                    [(y, F, ["time", "batch", 16]), (last, F, [1, "batch", 16])]), cases, False)


def unet():
    g = Graph(3)
    one = g.add("Relu", g.conv("x", 8, 3))
    two = g.add("Relu", g.conv(g.add("MaxPool", one, kernel_shape=[2, 2], strides=[2, 2]), 16, 8))
    low = g.add("Relu", g.conv(g.add("MaxPool", two, kernel_shape=[2, 2], strides=[2, 2]), 24, 16))
    up = g.add("ConvTranspose", low, g.weight(24, 16, 2, 2), g.weight(16, scale=0.1), strides=[2, 2])
    x = g.add("Relu", g.conv(g.add("Concat", up, two, axis=1), 16, 32))
    shape = g.add("Shape", one)
    sizes = g.add("Concat", g.add("Slice", g.add("Shape", x), g.ints(0), g.ints(2), g.ints(0)),
                  g.add("Slice", shape, g.ints(2), g.ints(4), g.ints(0)), axis=0)
    x = g.add("Resize", x, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel")
    y = g.add("Sigmoid", g.conv(g.add("Concat", x, one, axis=1), 2, 24, size=1))
    cases = [{"x": normal(b, 3, h, w)} for b, h, w in ((1, 16, 16), (2, 24, 40), (3, 32, 16))]
    return g.model([("x", F, ["batch", 3, "height", "width"])], [(y, F, ["batch", 2, "height", "width"])]), cases, True


def yolo_boxes(g, size=8):
    """[batch, boxes, 5 + 4]: centre, extent, objectness, classes, decoded with a grid."""
    x = g.add("Relu", g.conv("images", 12, 3, strides=[2, 2]))
    x = g.conv(g.add("Mul", x, g.add("Sigmoid", x)), 27, 12, strides=[2, 2])
    shape = g.add("Concat", g.size(x, 0), g.ints(3, 9, size, size), axis=0)
    x = g.add("Transpose", g.add("Reshape", x, shape), perm=[0, 1, 3, 4, 2])
    centre, extent, rest = g.add("Split", g.add("Sigmoid", x), g.ints(2, 2, 5), outputs=3, axis=-1)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).astype(np.float32)
    centre = g.add("Mul", g.add("Add", centre, g.constant(grid[None, None])), g.constant(np.float32(4)))
    anchors = np.array([[8, 8], [16, 12], [24, 30]], np.float32)[None, :, None, None]
    extent = g.add("Mul", g.add("Exp", extent), g.constant(anchors))
    boxes = g.add("Concat", centre, extent, rest, axis=-1)
    return g.add("Reshape", boxes, g.add("Concat", g.size(x, 0), g.ints(-1, 9), axis=0))


def yolo():
    g = Graph(4)
    y = yolo_boxes(g)
    cases = [{"images": normal(b, 3, 32, 32)} for b in (1, 3)]
    return g.model([("images", F, ["batch", 3, 32, 32])], [(y, F, ["batch", 192, 9])]), cases, True


def yolo_nms():
    """With non-maximum suppression in the graph: the number of rows depends on the data of all images."""
    g = Graph(4)
    boxes = yolo_boxes(g)
    corners = g.add("Slice", boxes, g.ints(0), g.ints(4), g.ints(2))
    scores = g.add("Transpose", g.add("Slice", boxes, g.ints(5), g.ints(9), g.ints(2)), perm=[0, 2, 1])
    chosen = g.add("NonMaxSuppression", corners, scores, g.ints(5), g.constant(np.float32([0.4])),
                   g.constant(np.float32([0.5])), center_point_box=1)
    best, index = g.add("TopK", g.add("ReduceMax", scores, axes=[1], keepdims=0), g.ints(7), outputs=2, axis=-1)
    cases = [{"images": normal(b, 3, 32, 32)} for b in (1, 2)]
    return (g.model([("images", F, ["batch", 3, 32, 32])],
                    [(chosen, I, ["n", 3]), (best, F, ["batch", 7]), (index, I, ["batch", 7])]), cases, False)


def vit(decomposed=False):
    """Patches, a class token expanded to the batch, attention, Gelu by Erf."""
    g = Graph(5)
    x = g.add("Conv", "x", g.weight(32, 3, 4, 4), g.weight(32), strides=[4, 4], kernel_shape=[4, 4])
    shape = g.add("Concat", g.size(x, 0), g.ints(32, -1), axis=0)
    x = g.add("Transpose", g.add("Reshape", x, shape), perm=[0, 2, 1])
    wanted = g.add("Concat", g.size(x, 0), g.ints(-1, -1), axis=0)
    ones = g.add("ConstantOfShape", g.ints(3), value=helper.make_tensor("v", I, [1], [1]))
    unchanged = g.add("Equal", wanted, g.add("Mul", ones, g.ints(-1)))
    token = g.add("Expand", g.weight(1, 1, 32), g.add("Where", unchanged, ones, wanted))
    x = g.add("Add", g.add("Concat", token, x, axis=1), g.weight(1, 17, 32, scale=0.1))
    for _ in range(2):
        normed = g.layer_norm(x, 32, decomposed)
        q, k, v = (g.heads(g.linear(normed, 32, 32), 2, 16) for _ in range(3))
        x = g.add("Add", x, g.attend(q, k, v, 32))
        inner = g.gelu(g.linear(g.layer_norm(x, 32, decomposed), 32, 64))
        x = g.add("Add", x, g.linear(inner, 64, 32))
    first = g.add("Gather", g.layer_norm(x, 32, decomposed), g.constant(np.int64(0)), axis=1)
    y = g.linear(first, 32, 10)
    cases = [{"x": normal(b, 3, 16, 16)} for b in (1, 2, 5)]
    return g.model([("x", F, ["batch", 3, 16, 16])], [(y, F, ["batch", 10])], opset=17), cases, True


def decoder(g):
    """One decoder block with cached keys and values: (logits, keys, values)."""
    x = g.add("Gather", g.weight(50, 32), "tokens")
    q, k, v = (g.heads(g.linear(x, 32, 32), 2, 16) for _ in range(3))
    k = g.add("Concat", "past_k", k, axis=2)
    v = g.add("Concat", "past_v", v, axis=2)
    length, total = g.size(q, 2), g.size(k, 2)
    past = g.add("Sub", total, length)
    zero, one, scalar = g.constant(np.int64(0)), g.constant(np.int64(1)), g.ints(0)
    columns = g.add("Range", zero, g.add("Squeeze", total, scalar), one)
    rows = g.add("Add", g.add("Range", zero, g.add("Squeeze", length, scalar), one), past)
    mask = g.add("LessOrEqual", columns, g.add("Unsqueeze", rows, g.ints(1)))
    x = g.layer_norm(g.add("Add", x, g.attend(q, k, v, 32, mask)), 32)
    q = g.heads(g.linear(x, 32, 32), 2, 16)
    cross_k, cross_v = (g.heads(g.linear("encoded", 32, 32), 2, 16) for _ in range(2))
    x = g.layer_norm(g.add("Add", x, g.attend(q, cross_k, cross_v, 32)), 32)
    return g.linear(g.add("Add", x, g.linear(g.add("Relu", g.linear(x, 32, 64)), 64, 32)), 32, 50), k, v


DECODER_INPUTS = [("tokens", I, ["batch", "length"]), ("encoded", F, ["batch", "source", 32]),
                  ("past_k", F, ["batch", 2, "past", 16]), ("past_v", F, ["batch", 2, "past", 16])]


def decoder_inputs(batch, length, past):
    return {"tokens": tokens(batch, length), "encoded": normal(batch, 6, 32), "past_k": normal(batch, 2, past, 16),
            "past_v": normal(batch, 2, past, 16, seed=8)}


def decoder_with_past():
    g = Graph(6)
    logits, k, v = decoder(g)
    cache = ["batch", 2, "total", 16]
    model = g.model(DECODER_INPUTS, [(logits, F, ["batch", "length", 50]), (k, F, cache), (v, F, cache)])
    return model, [decoder_inputs(*c) for c in ((1, 5, 0), (1, 1, 5), (3, 1, 4), (2, 3, 2))], True


def decoder_merged():
    """Two graphs behind one flag, as merged decoders are exported: without the flag the cache is ignored."""
    g = Graph(7)

    def branch(uses_cache):
        inner = Graph(8)
        past_k, past_v = ("past_k", "past_v")
        if not uses_cache:
            past_k, past_v = (inner.add("Slice", p, inner.ints(0), inner.ints(0), inner.ints(2)) for p in (past_k, past_v))
        inner.nodes.append(helper.make_node("Identity", [past_k], ["ignored_k"]))
        x = inner.add("Gather", inner.weight(50, 32), "tokens")
        k = inner.add("Concat", past_k, inner.heads(x, 2, 16), axis=2)
        v = inner.add("Concat", past_v, inner.heads(inner.linear(x, 32, 32), 2, 16), axis=2)
        y = inner.attend(inner.heads(x, 2, 16), k, v, 32)
        prefix = "with_" if uses_cache else "without_"
        names = {n: prefix + n for node in inner.nodes for n in node.output}
        names |= {w.name: prefix + w.name for w in inner.weights}
        for node in inner.nodes:
            node.input[:] = [names.get(n, n) for n in node.input]
            node.output[:] = [names[n] for n in node.output]
        for weight in inner.weights:
            weight.name = names[weight.name]
        outputs = [helper.make_tensor_value_info(names[n], F, None) for n in (y, k, v)]
        return helper.make_graph(inner.nodes, prefix, [], outputs, inner.weights)

    flag = g.add("Squeeze", "use_cache", g.ints(0))
    y, k, v = g.add("If", flag, outputs=3, then_branch=branch(True), else_branch=branch(False))
    cache = ["batch", 2, "total", 16]
    inputs = [("tokens", I, ["batch", "length"]), *DECODER_INPUTS[2:], ("use_cache", B, [1])]
    cases = []
    for batch, length, past, flag in ((1, 4, 1, False), (1, 1, 4, True), (2, 1, 4, True)):
        case = decoder_inputs(batch, length, past)
        del case["encoded"]
        cases.append({**case, "use_cache": np.array([flag])})
    return g.model(inputs, [(y, F, ["batch", "length", 32]), (k, F, cache), (v, F, cache)]), cases, False


def tensorflow_nhwc():
    """tf2onnx: transpositions around each convolution, NHWC data, a Reshape by slices of the shape."""
    g = Graph(9)
    x = g.add("Transpose", "image:0", perm=[0, 3, 1, 2])
    x = g.add("Relu", g.add("Conv", x, g.weight(8, 3, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"))
    x = g.add("Transpose", x, perm=[0, 2, 3, 1])
    x = g.add("Add", g.add("Mul", x, g.weight(8)), g.weight(8))
    x = g.add("Pad", x, g.ints(0, 0, 1, 0, 0, 0, 0, 0))
    x = g.add("Transpose", g.add("AveragePool", g.add("Transpose", x, perm=[0, 3, 1, 2]), kernel_shape=[2, 2],
                                 strides=[2, 2], auto_pad="VALID"), perm=[0, 2, 3, 1])
    batch = g.add("Slice", g.add("Cast", g.add("Shape", x), to=I32), g.ints(0), g.ints(1), g.ints(0))
    shape = g.add("Cast", g.add("Concat", batch, g.constant(np.array([-1], np.int32)), axis=0), to=I)
    y = g.add("Softmax", g.linear(g.add("Reshape", x, shape), 128, 6), axis=1)
    cases = [{"image:0": normal(b, 16, 16, 3)} for b in (1, 4)]
    return g.model([("image:0", F, ["unk__1", 16, 16, 3])], [(y, F, ["unk__2", 6])], opset=13), cases, True


def paddle():
    """Paddle: sizes by Shape, Slice, Cast and Concat, hard swish spelled out, flattening at the end."""
    g = Graph(10)
    x = g.conv("x", 8, 3, strides=[2, 1])
    six = [g.constant(np.float32(v)) for v in (0, 6)]
    x = g.add("Div", g.add("Mul", x, g.add("Clip", g.add("Add", x, g.constant(np.float32(3))), *six)), six[1])
    x = g.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    shape = g.add("Cast", g.add("Shape", x), to=I32)
    parts = [g.add("Slice", shape, g.ints(a), g.ints(a + 1), g.ints(0)) for a in (0, 3)]
    wanted = g.add("Concat", parts[0], g.constant(np.array([32], np.int32)), parts[1], axis=0)
    x = g.add("Transpose", g.add("Reshape", x, g.add("Cast", wanted, to=I)), perm=[0, 2, 1])
    y = g.add("Softmax", g.linear(x, 32, 11), axis=2)
    cases = [{"x": normal(b, 3, 16, w)} for b, w in ((1, 20), (2, 20), (1, 48))]
    return g.model([("x", F, ["n", 3, 16, "w"])], [(y, F, ["n", "t", 11])], opset=11 + 2), cases, True


def half():
    """Converted to float16 with casts at the borders."""
    g = Graph(11)
    x = g.add("Cast", "x", to=H)
    x = g.add("Relu", g.add("Conv", x, g.constant(normal(8, 3, 3, 3).astype(np.float16) / 8), pads=[1] * 4))
    x = g.add("Flatten", g.add("GlobalAveragePool", x))
    y = g.add("Cast", g.add("Gemm", x, g.constant(normal(8, 5).astype(np.float16))), to=F)
    cases = [{"x": normal(b, 3, 8, 8)} for b in (1, 3)]
    return g.model([("x", F, ["batch", 3, 8, 8])], [(y, F, ["batch", 5])]), cases, True


def empty_extent():
    """Parts without elements: no past, no rows."""
    g = Graph(12)
    joined = g.add("Concat", "past", "x", axis=1)
    total = g.add("ReduceSum", joined, g.ints(1), keepdims=0)
    y = g.linear(joined, 4, 3)
    cases = [{"past": normal(b, p, 4), "x": normal(b, n, 4)} for b, p, n in ((2, 0, 3), (1, 2, 0), (3, 0, 0), (0, 2, 1))]
    return (g.model([("past", F, ["batch", "p", 4]), ("x", F, ["batch", "n", 4])],
                    [(y, F, ["batch", "t", 3]), (total, F, ["batch", 4])]), cases, True)


def scalar_input():
    g = Graph(13)
    y = g.add("Mul", g.linear("x", 4, 4), "scale")
    cases = [{"x": normal(b, 4), "scale": np.array(s, np.float32)} for b, s in ((1, 2), (3, -0.5))]
    return g.model([("x", F, ["batch", 4]), ("scale", F, [])], [(y, F, ["batch", 4])]), cases, False


def fixed_shape():
    g = Graph(14)
    y = g.add("Flatten", g.add("Relu", g.conv("x", 4, 3)))
    return g.model([("x", F, [1, 3, 8, 8])], [(y, F, [1, 256])]), [{"x": normal(1, 3, 8, 8)}], False


def data_dependent():
    g = Graph(15)
    places = g.add("NonZero", g.add("Greater", "x", g.constant(np.float32(0.5))))
    values = g.add("GatherND", "x", g.add("Transpose", places, perm=[1, 0]))
    cases = [{"x": normal(b, 6)} for b in (1, 4)] + [{"x": np.zeros((2, 6), np.float32)}]
    return (g.model([("x", F, ["batch", 6])], [(places, I, [2, "n"]), (values, F, ["n"])]), cases, False)


def batch_statistics():
    """Looks like a network of rows, but centres by the mean of the batch."""
    g = Graph(16)
    x = g.linear("x", 4, 8)
    y = g.linear(g.add("Sub", x, g.add("ReduceMean", x, axes=[0])), 8, 3)
    cases = [{"x": normal(b, 4)} for b in (1, 5)]
    return g.model([("x", F, ["batch", 4])], [(y, F, ["batch", 3])]), cases, False


def torch_attention():
    """nn.MultiheadAttention: time first inside, batch and heads in one axis."""
    g = Graph(17)
    x = g.add("Transpose", "x", perm=[1, 0, 2])
    time, batch = g.size(x, 0), g.size(x, 1)
    rows = g.add("Mul", batch, g.ints(2))

    def heads(y):
        return g.add("Transpose", g.add("Reshape", y, g.add("Concat", time, rows, g.ints(16), axis=0)), perm=[1, 0, 2])

    q, k, v = (heads(g.linear(x, 32, 32)) for _ in range(3))
    scores = g.add("Softmax", g.add("MatMul", q, g.add("Transpose", k, perm=[0, 2, 1])), axis=-1)
    mixed = g.add("Transpose", g.add("MatMul", scores, v), perm=[1, 0, 2])
    joined = g.add("Reshape", mixed, g.add("Concat", time, batch, g.ints(32), axis=0))
    y = g.add("Transpose", g.linear(joined, 32, 32), perm=[1, 0, 2])
    cases = [{"x": normal(b, t, 32)} for b, t in ((1, 3), (4, 5))]
    return g.model([("x", F, ["batch", "time", 32])], [(y, F, ["batch", "time", 32])]), cases, True


ALL = {f.__name__: f for f in (
    text_lstm, gru_time_first, unet, yolo, yolo_nms, vit, decoder_with_past, decoder_merged, tensorflow_nhwc, paddle,
    half, empty_extent, scalar_input, fixed_shape, data_dependent, batch_statistics, torch_attention)}
ALL["vit_decomposed_norm"] = lambda: vit(decomposed=True)
