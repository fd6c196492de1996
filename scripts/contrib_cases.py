"""Random single-node models of contrib operators, over their attributes and types."""
import contrib_attention_cases
import numpy as np
from contrib_case import Case, f32, i8, random, scalar, softmax, u8
from onnx import TensorProto, helper


def cases():
    for group in (quantized, products, activations, normalizations, packed, others, experimental):
        yield from group()
    yield from contrib_attention_cases.cases()


def quantized():
    for kind, make in ((np.uint8, u8), (np.int8, i8)):
        zero = scalar(3, kind)
        label = np.dtype(kind).name
        for op in ("QLinearAdd", "QLinearMul"):
            yield Case(label, op, [make(2, 3, 5), scalar(0.02), zero, make(2, 3, 5), scalar(0.03), zero,
                                   scalar(0.05), zero], tolerance=1)
            yield Case(f"{label} broadcast", op, [make(2, 3, 5), scalar(0.02), zero, make(5), scalar(0.03), zero,
                                                  scalar(0.05), zero], constants=(3, 4, 5), tolerance=1)
            yield Case(f"{label} no zero point", op, [make(4, 5), scalar(0.02), zero, make(4, 5), scalar(0.03), zero,
                                                      scalar(0.05)], tolerance=1)
        yield Case(label, "QLinearSigmoid", [make(2, 9), scalar(0.03), zero, scalar(1 / 256), zero], tolerance=1)
        yield Case(label, "QLinearLeakyRelu", [make(2, 9), scalar(0.03), zero, scalar(0.02), zero],
                   {"alpha": 0.1}, tolerance=1)
        pool = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}
        yield Case(label, "QLinearAveragePool", [make(1, 3, 8, 7), scalar(0.03), zero, scalar(0.02), zero], pool,
                   tolerance=1)
        yield Case(f"{label} channels last", "QLinearAveragePool",
                   [make(1, 8, 7, 3), scalar(0.03), zero, scalar(0.02), zero],
                   {**pool, "channels_last": 1, "count_include_pad": 1}, tolerance=1)
        # Where padding counts too, onnxruntime also counts what ceil_mode adds beyond it; ONNX does not.
        yield Case(f"{label} ceiling", "QLinearAveragePool",
                   [make(1, 3, 8, 7), scalar(0.03), zero, scalar(0.02), zero], {**pool, "ceil_mode": 1}, tolerance=1)
        yield Case(label, "QLinearGlobalAveragePool", [make(2, 3, 5, 4), scalar(0.03), zero, scalar(0.02), zero],
                   tolerance=1)
        yield Case(f"{label} channels last", "QLinearGlobalAveragePool",
                   [make(2, 5, 4, 3), scalar(0.03), zero, scalar(0.02), zero], {"channels_last": 1}, tolerance=1)
        yield Case(label, "QLinearConcat", [scalar(0.04), zero, make(2, 3), scalar(0.02), zero, make(2, 4),
                                            scalar(0.05), zero], {"axis": 1}, tolerance=1)
        for opset, axis in ((12, 1), (13, -1), (13, 1)):
            yield Case(f"{label} opset {opset} axis {axis}", "QLinearSoftmax",
                       [make(2, 3, 6), scalar(0.03), zero, scalar(1 / 256), zero], {"opset": opset, "axis": axis},
                       tolerance=1)
        x = make(2, 3, 6)
        mean = np.round((x.astype(np.float32) - 3).mean(1) * 1.5) + 3
        yield Case(label, "QLinearReduceMean", [x, scalar(0.03), zero, scalar(0.02), zero],
                   {"axes": [1], "keepdims": 0}, tolerance=1,
                   expected=[np.clip(mean, np.iinfo(kind).min, np.iinfo(kind).max).astype(kind)])
        yield Case(label, "QLinearWhere", [np.array([[True], [False]]), make(2, 3), scalar(0.03), zero, make(3),
                                           scalar(0.02), zero, scalar(0.04), zero], tolerance=1)
        yield Case(label, "NhwcMaxPool", [make(1, 8, 7, 3)], {"kernel_shape": [3, 2], "strides": [2, 2]}, tolerance=0)
        for weight_kind, weights in (("uint8", u8), ("int8", i8)):
            if label == "int8" and weight_kind == "uint8":
                continue
            w = weights(5, 4)
            w_zero = scalar(2, w.dtype)
            for transposed in (0, 1):
                for output in (True, False):
                    bias = random.integers(-500, 500, 4).astype(np.int32)
                    yield Case(
                        f"{label} by {weight_kind} transB {transposed} quantized {output}", "QGemm",
                        [make(3, 5), scalar(0.03), zero, w.T.copy() if transposed else w,
                         (random.random(4) * 0.02 + 0.01).astype(np.float32) if weight_kind == "int8" else scalar(0.02),
                         np.zeros(4, np.int8) if weight_kind == "int8" else w_zero, bias]
                        + ([scalar(0.4), zero] if output else []), {"transB": transposed}, constants=(3, 4, 5, 6),
                        tolerance=1 if output else 1e-5)
            yield Case(f"{label} by {weight_kind}", "MatMulIntegerToFloat",
                       [make(2, 3, 5), w, scalar(0.03), scalar(0.02), zero, w_zero, f32(4)], constants=(1, 3, 5, 6))
            yield Case(f"{label} by {weight_kind} per column", "MatMulIntegerToFloat",
                       [make(3, 5), w, scalar(0.03), np.abs(f32(4)) + 0.1, zero, np.full(4, 2, w.dtype)],
                       constants=(1, 3, 5))
        w = i8(4, 3, 3, 3)
        for last in (0, 1):
            yield Case(f"{label} channels_last {last}", "QLinearConv",
                       [make(1, 6, 5, 3) if last else make(1, 3, 6, 5), scalar(0.03), zero, w,
                        (random.random(4) * 0.02 + 0.01).astype(np.float32), np.zeros(4, np.int8), scalar(0.3), zero,
                        random.integers(-500, 500, 4).astype(np.int32)],
                       {"channels_last": last, "pads": [1, 1, 1, 1]}, constants=(3, 4, 5, 8), tolerance=1)
        yield Case(f"{label} columns", "DynamicQuantizeMatMul",
                   [f32(2, 3, 6), make(6, 4), np.abs(f32(4)) + 0.1, np.zeros(4, kind), f32(4)], constants=(1, 2, 3, 4))
        yield Case(label, "DynamicQuantizeMatMul", [f32(3, 6), make(6, 4), scalar(0.02)], constants=(1, 2))
        yield Case(f"{label} computed weight", "DynamicQuantizeMatMul", [f32(3, 6), make(6, 4), scalar(0.02), zero])
        a, b = make(2, 3), make(3)
        yield Case(label, "MulInteger", [a, zero, b, zero], tolerance=0,
                   expected=[(a.astype(np.int32) - 3) * (b.astype(np.int32) - 3)])
        for per_column in (False, True):
            yield from lstm(label, kind, make, per_column)
        yield Case(label, "QAttention", [
            make(2, 4, 8), i8(8, 24), f32(24), scalar(0.02), np.abs(f32(24)) * 0.01 + 0.001,
            np.array([4, 2], np.int32), zero, np.zeros(24, np.int8)], {"num_heads": 2}, constants=(1, 2, 4, 7))
    for kind in (np.int16, np.uint16):
        label = np.dtype(kind).name
        yield Case(label, "QuantizeLinear", [f32(3, 4, scale=50), scalar(0.01), scalar(5, kind)], tolerance=0)
        yield Case(label, "DequantizeLinear",
                   [random.integers(0, 30000, (3, 4)).astype(kind), scalar(0.01), scalar(5, kind)])
    yield Case("per axis", "QuantizeLinear", [f32(3, 4), np.abs(f32(4)) + 0.1, u8(4)], {"axis": 1}, tolerance=0)
    yield Case("per axis", "DequantizeLinear", [i8(3, 4), np.abs(f32(3)) + 0.1, i8(3)], {"axis": 0})
    packed_data = helper.make_tensor("", TensorProto.INT4, [3, 4], random.integers(-8, 8, 12).tolist())
    yield Case("int4", "DequantizeLinear", [packed_data, scalar(0.1)])
    yield Case("int32", "DequantizeLinear", [np.arange(-6, 6).astype(np.int32), scalar(0.1)])


def lstm(label, kind, make, per_column):
    for direction in ("forward", "reverse", "bidirectional"):
        count, size, inputs, steps, batch = (2 if direction == "bidirectional" else 1), 5, 6, 4, 3
        parameters = (count, 4 * size) if per_column else (count,)
        scale = (random.random(parameters) * 0.004 + 0.002).astype(np.float32)
        zero = np.full(parameters, 0 if kind == np.int8 else 128, kind)
        if per_column and kind == np.uint8:
            continue
        yield Case(
            f"{label} {direction} per column {per_column}", "DynamicQuantizeLSTM",
            [f32(steps, batch, inputs), make(count, inputs, 4 * size), make(count, size, 4 * size),
             f32(count, 8 * size), None, f32(count, batch, size), f32(count, batch, size), None,
             scale, zero, scale, zero],
            {"direction": direction, "hidden_size": size}, outputs=(0, 1, 2), constants=(1, 2, 3, 8, 9, 10, 11),
            tolerance=2e-5)


def products():
    shapes = {(0, 0): ((2, 3, 4), (2, 4, 5)), (1, 0): ((2, 4, 3), (2, 4, 5)), (0, 1): ((2, 3, 4), (2, 5, 4)),
              (1, 1): ((2, 4, 3), (2, 5, 4))}
    for (a, b), (left, right) in shapes.items():
        for op in ("FusedMatMul", "TransposeMatMul"):
            yield Case(f"transA {a} transB {b}", op, [f32(*left), f32(*right)],
                       {"transA": a, "transB": b, "alpha": 0.5})
        batch_left, batch_right = ((left[1], left[0], left[2]), (right[1], right[0], right[2]))
        yield Case(f"batch, transA {a} transB {b}", "FusedMatMul", [f32(*batch_left), f32(*batch_right)],
                   {"transA": a, "transB": b, "transBatchA": 1, "transBatchB": 1})
    yield Case("constant", "FusedMatMul", [f32(2, 3, 4), f32(5, 4)], {"transB": 1, "alpha": 0.3}, constants=(1,))
    yield Case("float16", "FusedMatMul", [f32(3, 4).astype(np.float16), f32(5, 4).astype(np.float16)],
               {"transB": 1, "alpha": 0.3}, tolerance=2e-3)
    yield Case("float64", "FusedMatMul", [f32(3, 4).astype(np.float64), f32(4, 5).astype(np.float64)], {"alpha": 0.5})
    for activation, extra in (("Relu", {}), ("LeakyRelu", {"activation_alpha": 0.2}), ("Sigmoid", {}), ("Tanh", {}),
                              ("Elu", {"activation_alpha": 0.7}), ("Softplus", {}), ("Softsign", {}),
                              ("HardSigmoid", {"activation_alpha": 0.3, "activation_beta": 0.4}),
                              ("ThresholdedRelu", {"activation_alpha": 0.3})):
        yield Case(activation, "FusedGemm", [f32(3, 4), f32(5, 4), f32(5)],
                   {"transB": 1, "alpha": 0.5, "beta": 2.0, "activation": activation, **extra}, constants=(1, 2))
    for activation, extra in (("Relu", []), ("LeakyRelu", [0.2]), ("Sigmoid", []), ("Tanh", []), ("Clip", [-0.5, 0.7]),
                              ("HardSigmoid", [0.3, 0.4])):
        attributes = {"pads": [1, 1, 1, 1], "activation": activation}
        if extra:
            attributes["activation_params"] = extra
        yield Case(activation, "FusedConv", [f32(1, 3, 6, 6), f32(4, 3, 3, 3), f32(4)], attributes, constants=(1, 2))
    yield Case("sum", "FusedConv", [f32(1, 3, 6, 6), f32(4, 3, 3, 3), f32(4), f32(1, 4, 6, 6)],
               {"pads": [1, 1, 1, 1], "activation": "Relu"}, constants=(1, 2))
    yield Case("sum without bias", "FusedConv", [f32(1, 3, 6, 6), f32(4, 3, 3, 3), None, f32(1, 4, 6, 6)],
               {"pads": [1, 1, 1, 1]}, constants=(1,))


def activations():
    for kind, tolerance in ((np.float32, 1e-5), (np.float16, 2e-3)):
        label = np.dtype(kind).name
        x, bias = f32(2, 3, 8).astype(kind), f32(8).astype(kind)
        yield Case(label, "Gelu", [x], tolerance=tolerance)
        yield Case(label, "BiasGelu", [x, bias], tolerance=tolerance)
        yield Case(label, "FastGelu", [x], tolerance=tolerance)
        yield Case(f"{label} bias", "FastGelu", [x, bias], tolerance=tolerance)
        yield Case(label, "QuickGelu", [x], {"alpha": 1.702}, tolerance=tolerance)
    x = f32(2, 3, 8)
    inner, outer = f32(2, 1, 8), f32(1, 3, 8)
    yield Case("numpy, inner", "BiasSoftmax", [x, inner], {"axis": 2, "is_inner_broadcast": 1},
               expected=[softmax(x + inner)])
    yield Case("numpy, outer", "BiasSoftmax", [x, outer], {"axis": 1, "is_inner_broadcast": 0},
               expected=[softmax((x + outer).reshape(2, 24)).reshape(x.shape)])
    split, bias = f32(2, 3, 8), f32(8)
    yield Case("numpy", "BiasDropout", [x, bias, split], expected=[x + bias + split])
    total = split + bias
    yield Case("numpy", "BiasSplitGelu", [split, bias], expected=[total[..., :4] * gelu(total[..., 4:])])
    yield Case("numpy", "BiasAdd", [split, bias, x], expected=[split + bias + x])


def gelu(x):
    from math import erf
    return (x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2)))).astype(np.float32)


def normalizations():
    for kind, tolerance in ((np.float32, 1e-5), (np.float16, 4e-3)):
        label = np.dtype(kind).name
        x, skip, gamma, beta, bias = (f32(*shape).astype(kind) for shape in ((2, 3, 8), (2, 3, 8), (8,), (8,), (8,)))
        yield Case(label, "SkipLayerNormalization", [x, skip, gamma, beta, bias], outputs=(0, 3), tolerance=tolerance)
        yield Case(f"{label} no beta", "SkipLayerNormalization", [x, skip, gamma], {"epsilon": 1e-5},
                   tolerance=tolerance)
        yield Case(f"{label} broadcast", "SkipLayerNormalization", [x, skip[0], gamma, beta], tolerance=tolerance)
        yield Case(label, "SkipSimplifiedLayerNormalization", [x, skip, gamma, bias], outputs=(0, 3),
                   tolerance=tolerance)
        yield Case(label, "SimplifiedLayerNormalization", [x, gamma], {"axis": -1, "epsilon": 1e-6}, domain="",
                   tolerance=tolerance)
        yield Case(label, "LayerNormalization", [x, gamma, beta], {"axis": -1}, domain="", opset=13,
                   tolerance=tolerance)
    ids = random.integers(0, 10, (2, 4)).astype(np.int32)
    tables = [f32(10, 8), f32(6, 8), f32(2, 8), f32(8), f32(8)]
    segments = random.integers(0, 2, (2, 4)).astype(np.int32)
    mask = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], np.int32)
    yield Case("all", "EmbedLayerNormalization", [ids, segments] + tables + [mask], outputs=(0, 1, 2),
               constants=(2, 3, 4, 5, 6))
    yield Case("no segments", "EmbedLayerNormalization",
               [ids, None, tables[0], tables[1], None, tables[3], tables[4]], constants=(2, 3, 5, 6), outputs=(0, 1))
    yield Case("positions", "EmbedLayerNormalization",
               [ids, segments] + tables + [None, np.array([[3, 2, 1, 0]], np.int32)], constants=(2, 3, 4, 5, 6),
               outputs=(0, 1))
    x, gamma, beta = f32(2, 3, 3, 4), f32(4), f32(4)
    for activation in (0, 1):
        yield Case(f"numpy, activation {activation}", "GroupNorm", [x, gamma, beta],
                   {"groups": 2, "activation": activation, "epsilon": 1e-5},
                   expected=[group_norm(x, gamma, beta, 2, activation)])
    skip, bias = f32(2, 4), f32(4)
    total = x + skip[:, None, None, :] + bias
    yield Case("numpy", "SkipGroupNorm", [x, gamma, beta, skip, bias], {"groups": 2, "activation": 1},
               outputs=(0, 1), expected=[group_norm(total, gamma, beta, 2, 1), total])


def group_norm(x, gamma, beta, groups, activation):
    n, h, w, c = x.shape
    parts = x.reshape(n, h, w, groups, c // groups)
    mean, variance = parts.mean((1, 2, 4), keepdims=True), parts.var((1, 2, 4), keepdims=True)
    y = ((parts - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape) * gamma + beta
    return (y / (1 + np.exp(-y)) if activation else y).astype(np.float32)


def packed():
    for bits in (2, 4, 8):
        for block in (16, 32, 128):
            for depth in (block * 2, block + 8):
                rows, columns, blocks = 3, 20, -(-depth // block)
                b = u8(columns, blocks, block * bits // 8)
                scales = (np.abs(f32(columns, blocks)) * 0.1 + 0.01).astype(np.float32)
                points = {"no zero points": None, "packed": u8(columns, -(-blocks * bits // 8)),
                          "float": f32(columns, blocks, scale=3)}
                for name, zero in points.items():
                    if name == "float" and bits != 4:
                        continue
                    yield Case(f"{bits} bits, block {block}, depth {depth}, {name}", "MatMulNBits",
                               [f32(2, rows, depth), b, scales, zero, None, f32(columns)],
                               {"K": depth, "N": columns, "bits": bits, "block_size": block, "accuracy_level": 1},
                               constants=(1, 2, 3, 5))
    groups = random.integers(0, 2, 64).astype(np.int32)
    yield Case("groups", "MatMulNBits", [f32(3, 64), u8(8, 2, 16), np.abs(f32(8, 2)), None, groups],
               {"K": 64, "N": 8, "bits": 4, "block_size": 32}, constants=(1, 2, 4))
    yield Case("float16", "MatMulNBits",
               [f32(3, 64).astype(np.float16), u8(8, 2, 16), np.abs(f32(8, 2)).astype(np.float16)],
               {"K": 64, "N": 8, "bits": 4, "block_size": 32}, constants=(1, 2), tolerance=3e-3)
    indices = np.array([[3, 0], [5, -1]], np.int64)
    table = random.integers(0, 16, 6 * 64)
    for kind, numbers in ((TensorProto.UINT4, table), (TensorProto.INT4, table - 8)):
        data = helper.make_tensor("", kind, [6, 64], numbers.tolist())
        zero = helper.make_tensor("", kind, [6, 2], numbers[:12].tolist())
        yield Case(f"four bits {kind}", "GatherBlockQuantized", [data, indices, np.abs(f32(6, 2))],
                   {"block_size": 32}, constants=(2,))
        yield Case(f"four bits {kind}, zero points", "GatherBlockQuantized", [data, indices, np.abs(f32(6, 2)), zero],
                   {"block_size": 32}, constants=(2,))
        yield Case(f"four bits {kind}, second axis", "GatherBlockQuantized",
                   [data, np.array([1, 63], np.int64), np.abs(f32(1, 64))],
                   {"block_size": 16, "gather_axis": 1, "quantize_axis": 0}, constants=(2,))
    for bits in (4, 8):
        yield Case(f"uint8, {bits} bits", "GatherBlockQuantized",
                   [u8(6, 64 * bits // 8), indices, np.abs(f32(6, 2)), u8(6, 2 * bits // 8)],
                   {"block_size": 32, "bits": bits}, constants=(0, 2, 3))


def others():
    yield Case("upper", "Trilu", [f32(4, 5), scalar(1, np.int64)], {"upper": 1})
    yield Case("int32", "Range", [np.array([2], np.int32), np.array(9, np.int32)], tolerance=0)
    yield Case("float32", "Range", [scalar(1), scalar(4), scalar(0.5)])
    yield Case("negative", "ExpandDims", [f32(2, 3), np.array([-1], np.int32)], constants=(1,))
    for mode in ("bilinear", "nearest", "bicubic"):
        yield Case(mode, "GridSample", [f32(1, 2, 5, 6), np.clip(f32(1, 3, 4, 2), -1, 1)], {"mode": mode})
    yield Case("constant", "Pad", [f32(2, 3), np.array([0, 1, 2, 0], np.int64), scalar(1.5)])
    yield Case("matrix", "Pad", [f32(3, 4), np.array([[0, 1, 2, 0]], np.int64)], {"mode": "reflect"})
    yield Case("repeats", "Unique", [np.array([2, 1, 1, 3, 4, 3], np.float32)], outputs=(0, 1, 2))
    yield Case("pairs", "GatherND", [f32(3, 4), np.array([[0, 1], [2, 3]], np.int64)])
    signal = f32(3, 16)
    spectrum = np.fft.rfft(signal)
    parts = np.stack([spectrum.real, spectrum.imag], -1).astype(np.float32)
    fourier = {"signal_ndim": 1, "normalized": 0, "onesided": 1}
    yield Case("numpy", "Rfft", [signal], fourier, expected=[parts])
    yield Case("numpy", "Irfft", [parts], fourier, expected=[signal])
    for metric in ("sqeuclidean", "euclidean"):
        yield Case(metric, "CDist", [f32(5, 7), f32(4, 7)], {"metric": metric}, tolerance=1e-4)
        yield Case(f"{metric} float64", "CDist", [f32(5, 7).astype(np.float64), f32(4, 7).astype(np.float64)],
                   {"metric": metric})
    yield Case("stack", "Inverse", [f32(2, 4, 4) + 4 * np.eye(4, dtype=np.float32)])
    for kind in (np.int32, np.uint32, np.int64, np.float32, np.float64):
        yield Case(np.dtype(kind).name, "MurmurHash3", [np.arange(6).astype(kind).reshape(2, 3)], tolerance=0)
    yield Case("signed", "MurmurHash3", [np.arange(6).astype(np.int32)], {"positive": 0, "seed": 42}, tolerance=0)
    boxes = np.array([[0.1, 0.2, 0.8, 0.9], [-0.2, 0, 1.1, 0.5]], np.float32)
    for mode in ("bilinear", "nearest"):
        yield Case(mode, "CropAndResize", [f32(2, 3, 8, 9), boxes, np.array([1, 0], np.int32), np.array([4, 5], np.int32)],
                   {"mode": mode, "extrapolation_value": 0.5})
    yield Case("pairs", "NGramRepeatBlock", [np.array([[1, 2, 3, 1, 2], [0, 1, 0, 1, 0]], np.int64), f32(2, 5)],
               {"ngram_size": 3})
    yield Case("pads", "ConvTransposeWithDynamicPads", [f32(1, 2, 4, 4), f32(2, 3, 3, 3), np.array([1, 1, 1, 1]), f32(3)],
               {"strides": [2, 2]}, constants=(1, 2, 3))
    yield Case("finite", "IsAllFinite", [f32(3), f32(2, 2)], tolerance=0, expected=[np.array(True)])
    yield Case("infinite", "IsAllFinite", [f32(3), np.array([np.inf, 1], np.float32)], tolerance=0,
               expected=[np.array(False)])
    a, b = f32(2, 3, 2), f32(2, 3, 2)
    product = (a[..., 0] + 1j * a[..., 1]) * (b[..., 0] + 1j * b[..., 1])
    yield Case("numpy", "ComplexMul", [a, b], expected=[np.stack([product.real, product.imag], -1).astype(np.float32)])


def experimental():
    image = f32(1, 3, 6, 7)
    yield Case("both", "Affine", [f32(5)], {"alpha": 2.0, "beta": 0.5}, domain="", opset=7)
    yield Case("both", "ScaledTanh", [f32(5)], {"alpha": 2.0, "beta": 0.5}, domain="", opset=7)
    yield Case("both", "ParametricSoftplus", [f32(5)], {"alpha": 2.0, "beta": 0.5}, domain="", opset=7)
    yield Case("both", "ImageScaler", [image], {"scale": 0.5, "bias": [0.1, 0.2, 0.3]}, domain="", opset=7)
    yield Case("border", "Crop", [image], {"border": [1, 2, 1, 1]}, domain="", opset=7)
    yield Case("size", "Crop", [image], {"border": [1, 2, 1, 1], "scale": [3, 2]}, domain="", opset=7)
