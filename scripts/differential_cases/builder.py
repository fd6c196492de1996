"""One random model with one node: what recipes build, and how it becomes a ModelProto."""

import random

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F16, BF16, F32, F64 = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE)
I8, I16, I32, I64 = TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64
U8, U16, U32, U64 = TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64
BOOL, STRING = TensorProto.BOOL, TensorProto.STRING
HALVES = (F16, BF16)
FLOATS = (F16, BF16, F32, F64)
INTEGERS = (I8, I16, I32, I64, U8, U16, U32, U64)
PLAIN = FLOATS + INTEGERS + (BOOL, STRING)
NUMBERS = {name.lower(): number for name, number in TensorProto.DataType.items()}


class Skip(Exception):
    """This operator has nothing to test in this form."""


def dtype(element):
    return np.dtype(object) if element == STRING else helper.tensor_dtype_to_np_dtype(element)


class Input:
    def __init__(self, name, array, element, kind):
        self.name, self.array, self.element, self.kind = name, array, element, kind


class Case:
    """Recipes call `tensor`, `ints`, `skip` for each input in order, `set` for attributes."""

    def __init__(self, op, opset, rng, domain=""):
        self.op, self.opset, self.domain = op, opset, domain
        self.rng = rng
        self.np = np.random.default_rng(rng.getrandbits(32))
        self.schema = onnx.defs.get_schema(op, opset, domain)
        self.version = self.schema.since_version
        self.inputs, self.attributes = [], {}
        self.output_count, self.skipped_outputs = 1, ()
        self.special = rng.random() < 0.1
        # How later inputs (axes, scales, weights) come: the same for most inputs of a case.
        self.kind = rng.choice(["input", "initializer", "constant"])

    # Types

    def allowed(self, constraint):
        """The tensor types that type constraint `constraint` ('T', 'T1' …) permits."""
        for entry in self.schema.type_constraints:
            if entry.type_param_str == constraint:
                names = [t[7:-1] for t in entry.allowed_type_strs if t.startswith("tensor(")]
                names = ["float" if n == "float32" else n for n in names]
                return [NUMBERS[n] for n in names if n in NUMBERS]
        raise KeyError(constraint)

    def type(self, constraint="T", among=PLAIN):
        types = [t for t in self.allowed(constraint) if t in among]
        if not types:
            raise Skip
        # float32 is what most models have, so it gets more than its share.
        return F32 if F32 in types and self.rng.random() < 0.25 else self.rng.choice(types)

    # Shapes

    def dim(self, low=1, high=5):
        if low <= 1 and self.rng.random() < 0.03:
            return 0
        return self.rng.randint(low, high)

    def shape(self, low=0, high=4):
        rank = self.rng.randint(low, high)
        return [self.dim() for _ in range(rank)]

    def broadcastable(self, shape):
        """A shape that broadcasts to `shape`."""
        kept = [1 if self.rng.random() < 0.25 else d for d in shape]
        return kept[self.rng.randint(0, len(kept)) :] if self.rng.random() < 0.4 else kept

    def axis(self, rank):
        return self.rng.randrange(-rank, rank) if rank else 0

    def axes(self, rank, low=0):
        count = self.rng.randint(min(low, rank), rank)
        return [a - rank if self.rng.random() < 0.4 else a for a in self.rng.sample(range(rank), count)]

    def one(self):
        """The shape of a scalar; some exporters write a vector of one element instead."""
        return [] if self.rng.random() < 0.8 else [1]

    # Values

    def values(self, element, shape, low=None, high=None):
        shape = tuple(shape)
        if element == STRING:
            words = np.array(["", "a", "Ab", "42", "-1.5", "zebra", "ä"], dtype=object)
            return words[self.np.integers(0, len(words), shape)].reshape(shape)
        if element == BOOL:
            return self.np.integers(0, 2, shape).astype(bool).reshape(shape)
        kind = dtype(element)
        if element in FLOATS or "float" in kind.name:
            low, high = (-3, 3) if low is None else (low, high)
            x = np.asarray(self.np.uniform(low, high, shape))
            if self.special and low < 0 and x.size:
                picks = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 100.0])
                mask = self.np.random(shape) < 0.3
                x = np.where(mask, picks[self.np.integers(0, len(picks), shape)], x)
            return x.astype(kind).reshape(shape)
        signed = kind.name.startswith("int")
        low, high = (-10 if signed else 0, 20) if low is None else (low, high)
        low = low if signed else max(0, low)
        if kind.name in ("int4", "uint4", "int2", "uint2"):
            bits = int(kind.name[-1])
            low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        return np.asarray(self.np.integers(low, high + 1, shape)).astype(kind).reshape(shape)

    # Inputs

    def add(self, array, element, kind=None):
        array = np.asarray(array, dtype=dtype(element))
        kind = kind or (self.kind if self.rng.random() < 0.8 else "input")
        self.inputs.append(Input(f"x{len(self.inputs)}", array, element, kind))
        return array

    def tensor(self, element, shape, low=None, high=None, kind=None):
        if not self.inputs and kind is None:
            kind = "input" if self.rng.random() < 0.9 else "initializer"
        return self.add(self.values(element, shape, low, high), element, kind)

    def ints(self, values, element=I64, kind=None):
        return self.add(np.array(values, dtype=dtype(element)), element, kind)

    def skip(self):
        self.inputs.append(None)

    def maybe(self, chance=0.5):
        return self.rng.random() < chance

    def set(self, name, value, default=None):
        """An attribute; one that has its default is left out half of the time."""
        if default is not None and value == default and self.maybe():
            return value
        self.attributes[name] = value
        return value

    # The model

    def model(self):
        while self.inputs and self.inputs[-1] is None:
            self.inputs.pop()
        node_inputs = ["" if i is None else i.name for i in self.inputs]
        outputs = ["" if i in self.skipped_outputs else f"y{i}" for i in range(self.output_count)]
        node = helper.make_node(self.op, node_inputs, outputs, name="n", domain=self.domain)
        outputs = [name for name in outputs if name]
        for name, value in self.attributes.items():
            kind = self.schema.attributes[name].type
            node.attribute.append(helper.make_attribute(name, value, attr_type=kind))
        return make_model([node], [i for i in self.inputs if i is not None], outputs, self.opset, self.rng)


def make_model(nodes, inputs, outputs, opset, rng):
    """A checked model, and the inputs that a caller gives.

    - Returns: (ModelProto, [Input]); extents of the inputs are numbers, symbols or unknown.
    """
    graph_inputs, initializers, constants, given = [], [], [], []
    old = opset <= 8 and rng.random() < 0.4
    symbolic = rng.choice(["numbers", "numbers", "symbols", "unknown"])
    symbols = {}
    for item in inputs:
        tensor = numpy_helper.from_array(item.array, item.name) if item.kind != "input" else None
        dims = list(item.array.shape)
        if item.kind == "constant":
            constants.append(constant_node(item, tensor, opset, rng))
            continue
        if item.kind == "initializer":
            initializers.append(tensor)
            if old:
                graph_inputs.append(helper.make_tensor_value_info(item.name, item.element, dims))
            continue
        if symbolic == "symbols":
            # Like extents share a symbol, but the first axis has its own: it may grow between runs.
            dims = [
                symbols.setdefault((axis == 0, d), f"d{len(symbols)}") if rng.random() < 0.7 else d
                for axis, d in enumerate(dims)
            ]
        elif symbolic == "unknown":
            dims = [None if rng.random() < 0.7 else d for d in dims]
        graph_inputs.append(helper.make_tensor_value_info(item.name, item.element, dims))
        given.append(item)
    graph = helper.make_graph(
        constants + nodes, "g", graph_inputs, [onnx.ValueInfoProto(name=name) for name in outputs], initializers
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=3 if old else max(4, min(13, onnx.helper.OP_SET_ID_VERSION_MAP.get(("ai.onnx", opset), 10))),
    )
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    types = {v.name: v for v in list(inferred.graph.output) + list(inferred.graph.value_info)}
    for output in model.graph.output:
        found = types.get(output.name)
        if found is None or not found.HasField("type"):
            raise Skip
        if found.type.HasField("tensor_type") and found.type.tensor_type.elem_type == 0:
            # Functions whose inference says nothing: all of those give the type of their first input.
            found.type.tensor_type.elem_type = inputs[0].element
        output.CopyFrom(found)
        if output.type.HasField("tensor_type") and rng.random() < 0.5:
            output.type.tensor_type.ClearField("shape")
    if not any(
        o.type.HasField("tensor_type") and not o.type.tensor_type.HasField("shape") for o in model.graph.output
    ):
        onnx.checker.check_model(model)
    return model, given


def constant_node(item, tensor, opset, rng):
    """A Constant in one of its spellings."""
    values = item.array.tolist()
    if opset >= 12 and item.array.ndim <= 1 and item.element in (F32, I64, STRING) and rng.random() < 0.5:
        name = {F32: "value_float", I64: "value_int", STRING: "value_string"}[item.element]
        if item.array.ndim:
            name += "s"
        if item.array.ndim == 0 or values:
            return helper.make_node("Constant", [], [item.name], **{name: values})
    return helper.make_node("Constant", [], [item.name], value=tensor)


def seeded(text):
    return random.Random(text)
