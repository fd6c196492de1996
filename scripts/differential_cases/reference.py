"""What a model should give: onnxruntime without its optimizations, else onnx's reference evaluator."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from .builder import HALVES, STRING, dtype

onnxruntime.set_default_logger_severity(4)
NUMPY_READY = {
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.FLOAT16,
    TensorProto.BOOL,
    TensorProto.STRING,
    TensorProto.INT8,
    TensorProto.INT16,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.UINT8,
    TensorProto.UINT16,
    TensorProto.UINT32,
    TensorProto.UINT64,
}
# Operators whose meaning depends on the width of float types.
KEEPS_FLOATS = {"Cast", "CastLike", "BitCast", "QuantizeLinear", "DequantizeLinear"}


def expected(model, given):
    """The outputs, and who computed them.

    - Throws: whatever the last reference says when none runs the model.
    """
    types = [o.type.tensor_type.elem_type for o in model.graph.output]
    feeds = {i.name: i.array for i in given}
    keeps = any(n.op_type in KEEPS_FLOATS for n in model.graph.node)
    if uses(model, HALVES) and not keeps:
        try:
            return as_float32(run_ort, model, feeds, types), "onnxruntime (float32)"
        except Exception:
            pass
    try:
        return run_ort(model, feeds), "onnxruntime"
    except Exception as error:
        if is_refusal(error):
            raise
    if uses(model, (TensorProto.DOUBLE,)) and not keeps:
        try:
            return as_float32(run_ort, model, feeds, types), "onnxruntime (float32)"
        except Exception:
            pass
    try:
        return typed(run_reference(model, feeds), types), "onnx reference"
    except Exception:
        if keeps or not uses(model, HALVES):
            raise
    return as_float32(run_reference, model, feeds, types), "onnx reference (float32)"


def as_float32(run, model, feeds, types):
    outputs = run(widened(model), {k: widen(v) for k, v in feeds.items()})
    if TensorProto.DOUBLE in types and any(np.isinf(o).any() for o in outputs if o.dtype == np.float32):
        raise OverflowError("float32 is too narrow")
    return [cast(o, t) for o, t in zip(outputs, types)]


def run_reference(model, feeds):
    return ReferenceEvaluator(model).run(None, feeds)


def is_refusal(error):
    """onnxruntime has the kernel but refuses this model or these inputs: the case is not valid."""
    text = str(error).lower()
    lacks = ("not_implemented", "invalid_graph", "not implemented", "not support", "layout_ == 0", "unsupported")
    return not any(phrase in text for phrase in lacks)


def run_ort(model, feeds):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    types = [o.type.tensor_type.elem_type for o in model.graph.output]
    odd_outputs = [t not in NUMPY_READY and o.type.HasField("tensor_type") for o, t in zip(model.graph.output, types)]
    odd_inputs = [n for n, v in feeds.items() if v.dtype.name not in {dtype(t).name for t in NUMPY_READY}]
    if odd_inputs or any(odd_outputs):
        model, feeds = plain_ports(model, feeds, odd_inputs, odd_outputs)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    outputs = session.run(None, feeds)
    return typed(outputs, types)


def plain_ports(model, feeds, odd_inputs, odd_outputs):
    """The same model with types that numpy lacks only inside: inputs become initializers, outputs are cast."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    for name in odd_inputs:
        graph.initializer.append(numpy_helper.from_array(feeds[name], name))
    kept = [i for i in graph.input if i.name not in odd_inputs]
    del graph.input[:]
    graph.input.extend(kept)
    for output, odd in zip(graph.output, odd_outputs):
        if odd:
            graph.node.append(helper.make_node("Cast", [output.name], [output.name + "_f"], to=TensorProto.FLOAT))
            output.name += "_f"
            output.type.tensor_type.elem_type = TensorProto.FLOAT
    return copy, {k: v for k, v in feeds.items() if k not in odd_inputs}


OTHER_FLOATS = HALVES + (TensorProto.DOUBLE,)


def uses(model, elements):
    graph = model.graph
    found = {v.type.tensor_type.elem_type for v in list(graph.input) + list(graph.output)}
    found |= {t.data_type for t in graph.initializer}
    found |= {a.t.data_type for n in graph.node for a in n.attribute if a.HasField("t")}
    found |= {a.i for n in graph.node if n.op_type == "Cast" for a in n.attribute if a.name == "to"}
    return any(e in found for e in elements)


def widen(array):
    return array.astype(np.float32) if array.dtype.name in ("float16", "bfloat16", "float64") else array


def widened(model):
    """The model with float32 in place of all other floats of 16 to 64 bits."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    for value in list(graph.input) + list(graph.output):
        if value.type.tensor_type.elem_type in OTHER_FLOATS:
            value.type.tensor_type.elem_type = TensorProto.FLOAT

    def replace(tensor):
        if tensor.data_type in OTHER_FLOATS:
            tensor.CopyFrom(numpy_helper.from_array(widen(numpy_helper.to_array(tensor)), tensor.name))

    for tensor in graph.initializer:
        replace(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                replace(attribute.t)
            if (
                attribute.name in ("dtype", "output_dtype", "output_datatype", "stash_type")
                and attribute.i in OTHER_FLOATS
            ):
                attribute.i = TensorProto.FLOAT
    return copy


def cast(value, element):
    if not isinstance(value, np.ndarray):
        return value
    with np.errstate(all="ignore"):
        return value.astype(dtype(element)) if element else value


def typed(outputs, types):
    """numpy values of exactly the declared types."""
    return [
        o
        if t == 0 or isinstance(o, list) or o is None
        else np.asarray(o, dtype=object)
        if t == STRING
        else cast(np.asarray(o), t)
        for o, t in zip(outputs, types)
    ]
