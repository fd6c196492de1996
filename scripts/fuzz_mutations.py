"""Mutants of models and of their inputs, for scripts/fuzz."""
import struct

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, numpy_helper

WORDS = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
INTEGERS = [-1, 0, 1, 2, 3, 7, -2, -3, 64, 255, 65536, (1 << 31) - 1, -(1 << 31), 1 << 32, (1 << 62) + 1,
            (1 << 63) - 1, -(1 << 63)]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e38, -1e38, 1e300, float("inf"), float("-inf"), float("nan"), 2.5]
STRINGS = [b"", b"\xff\xfe", b"\0", b"linear", b"cubic", b"NOTSET", b"SAME_UPPER", b"...,i->i", b"(a*)*b", b"x" * 300]


def mutate(rng, seeds):
    """(model, [input …]) made from one of `seeds`, which have that form."""
    model, inputs = rng.choice(seeds)
    if rng.random() < 0.3:
        model = change_bytes(rng, model, [other for other, _ in rng.sample(seeds, min(2, len(seeds)))])
    else:
        model = change_structure(rng, model)
    inputs = [change_input(rng, data) if rng.random() < 0.3 else data for data in inputs]
    return model, inputs


def made_up_inputs(model):
    """Inputs of ones for a model that comes without any."""
    inputs = []
    graph = onnx.load_from_string(model).graph
    constants = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        type = value.type.tensor_type
        if value.name in constants or not type.elem_type or type.elem_type == TensorProto.STRING:
            continue
        shape = [extent.dim_value or 1 for extent in type.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(type.elem_type)
        inputs.append(numpy_helper.from_array(np.ones(shape, dtype), value.name).SerializeToString())
    return inputs


def has_loop(model):
    try:
        return any(node.op_type in ("Loop", "Scan", "SequenceMap") for node in nodes(onnx.load_from_string(model).graph))
    except Exception:
        return b"Loop" in model or b"Scan" in model


# Bytes


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def change_bytes(rng, data, others):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        if not data:
            return b""
        # Structure lies at the ends of a model and between its weights: prefer the first and last kilobytes.
        span = min(len(data), 2048)
        at = rng.randrange(len(data)) if rng.random() < 0.3 else (
            rng.randrange(span) if rng.random() < 0.5 else len(data) - 1 - rng.randrange(span))
        kind = rng.randrange(7)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        elif kind == 2:
            data[at:at + rng.randrange(1, 9)] = varint(rng.choice(WORDS))
        elif kind == 3:
            del data[at:at + rng.randrange(1, 64)]
        elif kind == 4:
            data[at:at] = data[at:at + rng.randrange(1, 64)]
        elif kind == 5:
            data[at:at + 4] = struct.pack("<I", rng.choice(WORDS) & 0xFFFFFFFF)
        else:
            other = rng.choice(others)
            start = rng.randrange(len(other) or 1)
            data[at:at] = other[start:start + rng.randrange(1, 128)]
    return bytes(data)


# Structure


def nodes(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs:
                yield from nodes(body)


def change_structure(rng, data):
    try:
        model = onnx.load_from_string(data)
    except Exception:
        return change_bytes(rng, data, [data])
    changes = [change_attribute] * 5 + [change_wiring] * 3 + [change_constant] * 4 + [change_port] * 3 + [change_opset]
    try:
        for _ in range(rng.choice([1, 1, 2, 3, 6])):
            rng.choice(changes)(rng, model)
        return model.SerializeToString()
    except (ValueError, TypeError, IndexError, OverflowError):
        return change_bytes(rng, data, [data])


def change_attribute(rng, model):
    node = rng.choice(list(nodes(model.graph)))
    if not node.attribute:
        return
    attribute = rng.choice(node.attribute)
    if rng.random() < 0.1:
        node.attribute.remove(attribute)
    elif attribute.type == AttributeProto.INT:
        attribute.i = rng.choice(INTEGERS)
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = np.float32(np.clip(rng.choice(FLOATS), -3e38, 3e38)) if rng.random() < 0.7 else float("nan")
    elif attribute.type == AttributeProto.STRING:
        attribute.s = rng.choice(STRINGS)
    elif attribute.type == AttributeProto.INTS:
        change_list(rng, attribute.ints, INTEGERS)
    elif attribute.type == AttributeProto.FLOATS:
        change_list(rng, attribute.floats, [value for value in FLOATS if abs(value) < 3e38])
    elif attribute.type == AttributeProto.STRINGS:
        change_list(rng, attribute.strings, STRINGS)
    elif attribute.type == AttributeProto.TENSOR:
        change_tensor(rng, attribute.t)
    elif attribute.type == AttributeProto.GRAPH:
        # Not a node with graphs of its own: copies of copies would outgrow protobuf's own stack.
        plain = [other for other in nodes(model.graph) if not any(a.type == AttributeProto.GRAPH for a in other.attribute)]
        if plain:
            attribute.g.node.add().CopyFrom(rng.choice(plain))


def change_list(rng, values, pool):
    kind = rng.randrange(4)
    if kind == 0 and values:
        del values[rng.randrange(len(values))]
    elif kind == 1 or not values:
        values.append(rng.choice(pool))
    elif kind == 2:
        values.extend(list(values))
    else:
        values[rng.randrange(len(values))] = rng.choice(pool)


def change_wiring(rng, model):
    everything = list(nodes(model.graph))
    node = rng.choice(everything)
    names = [name for other in everything for name in [*other.input, *other.output]] + [""]
    kind = rng.randrange(8)
    if kind == 0 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(names)
    elif kind == 1 and node.output:
        node.output[rng.randrange(len(node.output))] = rng.choice(names)
    elif kind == 2 and node.input:
        del node.input[rng.randrange(len(node.input))]
    elif kind == 3:
        node.input.append(rng.choice(names))
    elif kind == 4:
        node.output.append(f"extra{rng.randrange(100)}")
    elif kind == 5:
        other = rng.choice(everything)
        node.op_type, node.domain = other.op_type, other.domain
    elif kind == 6 and node.ByteSize() < 4096:
        model.graph.node.add().CopyFrom(node)
    else:
        shuffled = list(node.input)
        rng.shuffle(shuffled)
        del node.input[:]
        node.input.extend(shuffled)


def change_constant(rng, model):
    if model.graph.initializer and rng.random() < 0.8:
        change_tensor(rng, rng.choice(model.graph.initializer))
        return
    # An input becomes a constant: what is checked at run time is then checked while folding.
    ports = [port for port in model.graph.input if port.type.tensor_type.elem_type in (1, 6, 7)]
    if ports:
        port = rng.choice(ports)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(port.type.tensor_type.elem_type)
        shape = [extent.dim_value or 1 for extent in port.type.tensor_type.shape.dim]
        if np.prod(shape, dtype=float) < 1e5:
            pool = INTEGERS if np.dtype(dtype).kind == "i" else FLOATS
            info = np.iinfo(dtype) if np.dtype(dtype).kind == "i" else None
            values = [min(max(rng.choice(pool), info.min), info.max) if info else rng.choice(pool)
                      for _ in range(int(np.prod(shape)))]
            with np.errstate(over="ignore", invalid="ignore"):
                tensor = numpy_helper.from_array(np.array(values).astype(dtype).reshape(shape), port.name)
            model.graph.initializer.add().CopyFrom(tensor)


def change_tensor(rng, tensor):
    kind = rng.randrange(5)
    if kind == 0:
        change_list(rng, tensor.dims, INTEGERS)
    elif kind == 1:
        tensor.data_type = rng.randrange(27)
    elif kind == 2 and tensor.raw_data:
        tensor.raw_data = tensor.raw_data[:rng.randrange(len(tensor.raw_data))]
    else:
        change_elements(rng, tensor)


def change_elements(rng, tensor):
    """New values for some elements of a numeric tensor, its shape left alone, or an axis cut to 0."""
    if tensor.data_type == TensorProto.STRING:
        change_list(rng, tensor.string_data, STRINGS)
        return
    try:
        values = numpy_helper.to_array(tensor).copy()
    except Exception:
        return
    if values.ndim and rng.random() < 0.15:
        values = np.take(values, range(rng.randrange(2)), axis=rng.randrange(values.ndim)) if values.size else values
    for _ in range(rng.choice([1, 1, 3, 10])):
        if values.size == 0 or values.dtype.kind not in "iufb":
            break
        place = rng.randrange(values.size)
        if values.dtype.kind in "iu":
            info = np.iinfo(values.dtype)
            values.reshape(-1)[place] = min(max(rng.choice(INTEGERS), info.min), info.max)
        else:
            with np.errstate(over="ignore"):
                values.reshape(-1)[place] = np.array(rng.choice(FLOATS)).astype(values.dtype)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def change_port(rng, model):
    graph = model.graph
    ports = [port for port in [*graph.input, *graph.output, *graph.value_info] if port.type.HasField("tensor_type")]
    if not ports:
        return
    type = rng.choice(ports).type.tensor_type
    kind = rng.randrange(5)
    if kind == 0:
        type.elem_type = rng.randrange(27)
    elif kind == 1:
        type.ClearField("shape")
    elif kind == 2 and type.shape.dim:
        rng.choice(type.shape.dim).dim_value = rng.choice(INTEGERS)
    elif kind == 3 and type.shape.dim:
        rng.choice(type.shape.dim).dim_param = rng.choice(["n", "batch", ""])
    else:
        type.shape.dim.add().dim_value = rng.choice(INTEGERS)


def change_opset(rng, model):
    if model.opset_import:
        rng.choice(model.opset_import).version = rng.choice([1, 6, 7, 8, 9, 10, 11, 12, 13, 17, 18, 20, 21, 23, 25])


def change_input(rng, data):
    try:
        tensor = onnx.load_tensor_from_string(data)
        if rng.random() < 0.8:
            change_elements(rng, tensor)
        else:
            change_list(rng, tensor.dims, [0, 1, 2, 3, 5, 17])
        return tensor.SerializeToString()
    except Exception:
        return change_bytes(rng, data, [data])
