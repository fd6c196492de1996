"""Random chains of the patterns that exporters write, for passes and fusions."""

import numpy as np
from onnx import helper

from . import blocks, control_blocks
from .builder import F32, I64, Input, Skip, make_model


class Graph:
    """Values are (name, shape) of float32 unless said otherwise."""

    def __init__(self, opset, rng):
        self.opset, self.rng = opset, rng
        self.np = np.random.default_rng(rng.getrandbits(32))
        self.nodes, self.inputs, self.values, self.count = [], [], [], 0

    def maybe(self, chance=0.5):
        return self.rng.random() < chance

    def name(self):
        self.count += 1
        return f"v{self.count}"

    def node(self, op, inputs, shape=None, outputs=1, **attributes):
        names = [self.name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))
        if outputs > 1:
            return names
        return names[0] if shape is None else (names[0], list(shape))

    def constant(self, array, element=F32, kind=None):
        name = self.name()
        kind = kind or self.rng.choice(["initializer", "initializer", "constant"])
        self.inputs.append(
            Input(name, np.asarray(array, dtype=helper.tensor_dtype_to_np_dtype(element)), element, kind)
        )
        return name

    def random(self, shape, low=-1.0, high=1.0, kind=None):
        return self.constant(self.np.uniform(low, high, shape), F32, kind)

    def input(self, shape):
        name = self.random(shape, -2, 2, "input")
        value = (name, list(shape))
        self.values.append(value)
        return value

    def keep(self, value):
        self.values.append(value)
        return value

    def axes(self, op, value, axes, shape, **attributes):
        since = {"ReduceSum": 13, "Squeeze": 13, "Unsqueeze": 13}.get(op, 18)
        if self.opset >= since:
            return self.node(op, [value, self.constant(axes, I64)], shape, **attributes)
        return self.node(op, [value], shape, axes=axes, **attributes)

    def of_rank(self, rank):
        """A value of this rank: one that is there, or a reshaped one."""
        fitting = [v for v in self.values if len(v[1]) == rank]
        if fitting and self.maybe(0.9):
            return self.rng.choice(fitting)
        name, shape = self.rng.choice(self.values)
        count = int(np.prod(shape))
        target = [1] * rank
        target[-1] = count
        for axis in range(rank - 1):
            divisors = [d for d in range(1, 5) if target[-1] % d == 0]
            target[axis] = self.rng.choice(divisors)
            target[-1] //= target[axis]
        asked = list(target)
        if self.maybe():
            asked[self.rng.randrange(rank)] = -1
        return self.keep(self.node("Reshape", [name, self.constant(asked, I64)], target))


def build(opset, rng):
    """(title, model, given inputs)"""
    g = Graph(opset, rng)
    for _ in range(rng.randint(1, 2)):
        rank = rng.choice([2, 3, 4, 4])
        g.input(
            [0 if rng.random() < 0.03 else rng.randint(1, 3), rng.randint(1, 6)]
            + [rng.randint(2, 7) for _ in range(rank - 2)]
        )
    used = []
    for _ in range(rng.randint(1, 5)):
        block = rng.choice(blocks.BLOCKS + control_blocks.BLOCKS)
        block(g)
        used.append(block.__name__)
    made = [v[0] for v in g.values if not any(v[0] == i.name for i in g.inputs)]
    if not made:
        raise Skip
    # The last value, and sometimes others, also such that later nodes read.
    outputs = [made[-1]] + [n for n in dict.fromkeys(made[:-1]) if n != made[-1] and rng.random() < 0.25]
    # Inputs and constants may be outputs as well.
    outputs += [i.name for i in g.inputs if i.kind != "constant" and rng.random() < 0.02]
    model, given = make_model(g.nodes, g.inputs, outputs, opset, rng)
    return f"graph {'+'.join(used)} opset {opset}", model, given
