"""Whole models as onnxruntime's optimizers and quantizers write them: a small BERT and the bundled digit classifiers."""
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

ROOT = pathlib.Path(__file__).resolve().parent.parent
VOCABULARY, LONGEST, HIDDEN, HEADS = 50, 16, 32, 4
random = np.random.default_rng(11)


class Builder:
    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, value):
        self.weights.append(numpy_helper.from_array(np.asarray(value), f"w{len(self.weights)}"))
        return self.weights[-1].name

    def floats(self, *shape, scale=0.2, offset=0.0):
        return self.weight((random.standard_normal(shape) * scale + offset).astype(np.float32))

    def ints(self, *values):
        return self.weight(np.array(values, np.int64))

    def op(self, kind, *inputs, **attributes):
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"{kind}_{len(self.nodes)}", **attributes))
        return output

    def dense(self, x, inputs, outputs):
        bias = self.floats(outputs)
        return self.op("Add", bias, self.op("MatMul", x, self.floats(inputs, outputs)))

    def normalized(self, x):
        return self.op("LayerNormalization", x, self.floats(HIDDEN, offset=1.0), self.floats(HIDDEN), axis=-1,
                       epsilon=1e-12)

    def number(self, value):
        return self.weight(np.float32(value))


def bert(layers=2):
    """In the form that PyTorch exports, so that onnxruntime's fusions find their patterns."""
    b = Builder()
    shape = b.op("Shape", "input_ids")
    length = b.op("Gather", shape, b.weight(np.int64(1)), axis=0)
    places = b.op("Range", b.weight(np.int64(0)), length, b.weight(np.int64(1)))
    places = b.op("Expand", b.op("Unsqueeze", places, b.ints(0)), shape)
    words = b.op("Gather", b.floats(VOCABULARY, HIDDEN, scale=1), "input_ids")
    x = b.op("Add", words, b.op("Gather", b.floats(2, HIDDEN, scale=1), "token_type_ids"))
    x = b.normalized(b.op("Add", x, b.op("Gather", b.floats(LONGEST, HIDDEN, scale=1), places)))
    mask = b.op("Unsqueeze", b.op("Unsqueeze", "attention_mask", b.ints(1)), b.ints(2))
    mask = b.op("Sub", b.number(1), b.op("Cast", mask, to=TensorProto.FLOAT))
    mask = b.op("Mul", mask, b.number(-10000))
    for _ in range(layers):
        x = layer(b, x, mask)
    b.nodes.append(helper.make_node("Identity", [x], ["out"]))
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
              for name in ("input_ids", "token_type_ids", "attention_mask")]
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", "length", HIDDEN])
    graph = helper.make_graph(b.nodes, "bert", inputs, [output], b.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def layer(b, x, mask):
    size = HIDDEN // HEADS

    def heads(order):
        split = b.op("Reshape", b.dense(x, HIDDEN, HIDDEN), b.ints(0, 0, HEADS, size))
        return b.op("Transpose", split, perm=order)

    queries, keys, values = heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), heads([0, 2, 1, 3])
    scores = b.op("Div", b.op("MatMul", queries, keys), b.number(np.sqrt(size)))
    weights = b.op("Softmax", b.op("Add", scores, mask), axis=-1)
    joined = b.op("Transpose", b.op("MatMul", weights, values), perm=[0, 2, 1, 3])
    joined = b.op("Reshape", joined, b.ints(0, 0, HIDDEN))
    x = b.normalized(b.op("Add", b.dense(joined, HIDDEN, HIDDEN), x))
    wide = b.dense(x, HIDDEN, 4 * HIDDEN)
    bell = b.op("Add", b.op("Erf", b.op("Div", wide, b.number(np.sqrt(2)))), b.number(1))
    wide = b.op("Mul", b.op("Mul", wide, bell), b.number(0.5))
    return b.normalized(b.op("Add", b.dense(wide, 4 * HIDDEN, HIDDEN), x))


def sentences(kind=np.int64):
    mask = np.ones((3, 9), kind)
    mask[1, 5:] = 0
    mask[2, 2:] = 0
    return {"input_ids": random.integers(0, VOCABULARY, (3, 9)).astype(kind),
            "token_type_ids": random.integers(0, 2, (3, 9)).astype(kind), "attention_mask": mask}


def optimized(source):
    """The file after onnxruntime's extended optimizations."""
    target = source.with_name(source.stem + "-extended.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    return target


class Samples(CalibrationDataReader):
    def __init__(self, samples):
        self.samples = iter(samples)

    def get_next(self):
        return next(self.samples, None)


def graphs(directory):
    """Files with inputs for them: (path, feeds)."""
    path = directory / "bert.onnx"
    onnx.save(bert(), path)
    yield path, sentences()
    yield optimized(path), sentences()
    for kind, per_channel in ((QuantType.QInt8, True), (QuantType.QUInt8, False)):
        target = directory / f"bert-dynamic-{kind.name}.onnx"
        quantize_dynamic(path, target, weight_type=kind, per_channel=per_channel)
        yield target, sentences()
        yield optimized(target), sentences()
    yield from static(directory, path, [sentences() for _ in range(4)])
    for name in ("digits", "digits-cnn"):
        source = ROOT / "config" / "models" / name / "1" / "model.onnx"
        copy = directory / f"{name}.onnx"
        copy.write_bytes(source.read_bytes())
        port = onnx.load(source).graph.input[0]
        shape = [extent.dim_value or 4 for extent in port.type.tensor_type.shape.dim]
        samples = [{port.name: random.integers(0, 17, shape).astype(np.float32)} for _ in range(4)]
        yield optimized(copy), samples[0]
        yield from static(directory, copy, samples)
    yield from transformers(directory, path)
    yield from weights_only(directory, path)


def static(directory, source, samples):
    for form in (QuantFormat.QOperator, QuantFormat.QDQ):
        for activations, weights, per_channel in (
                (QuantType.QUInt8, QuantType.QInt8, True), (QuantType.QInt8, QuantType.QInt8, False)):
            target = directory / f"{source.stem}-{form.name}-{activations.name}.onnx"
            quantize_static(source, target, Samples(samples), quant_format=form, activation_type=activations,
                            weight_type=weights, per_channel=per_channel)
            yield target, samples[0]
            yield optimized(target), samples[0]


def transformers(directory, source):
    """What optimum's optimizer writes: Attention, EmbedLayerNormalization and so on."""
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions
    for approximates in (False, True):
        options = FusionOptions("bert")
        options.enable_gelu_approximation = approximates
        try:
            model = optimizer.optimize_model(
                str(source), model_type="bert", num_heads=HEADS, hidden_size=HIDDEN, opt_level=0,
                optimization_options=options)
        except ImportError:
            # It needs the package sympy.
            return
        target = directory / f"bert-transformers-{'fast' if approximates else 'exact'}.onnx"
        model.save_model_to_file(str(target))
        yield target, sentences_for(target)
        dynamic = target.with_name(target.stem + "-dynamic.onnx")
        quantize_dynamic(target, dynamic, weight_type=QuantType.QInt8,
                         extra_options={"DefaultTensorType": TensorProto.FLOAT})
        yield dynamic, sentences_for(dynamic)
        yield optimized(dynamic), sentences_for(dynamic)


def sentences_for(path):
    kind = onnx.load(path).graph.input[0].type.tensor_type.elem_type
    return sentences(helper.tensor_dtype_to_np_dtype(kind))


def weights_only(directory, source):
    try:
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    except ImportError:
        # It needs the package onnx_ir.
        return
    for bits, block, symmetric in ((4, 32, True), (4, 16, False), (8, 32, False)):
        quantizer = MatMulNBitsQuantizer(
            onnx.load(source), bits=bits, block_size=block, is_symmetric=symmetric, accuracy_level=1,
            op_types_to_quantize=("MatMul", "Gather") if bits == 4 else ("MatMul",),
            quant_axes=(("MatMul", 0), ("Gather", 1)))
        quantizer.process()
        target = directory / f"bert-{bits}-bits-{block}.onnx"
        quantizer.model.save_model_to_file(str(target))
        yield target, sentences()
