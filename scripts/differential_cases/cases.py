"""One case: a model, its inputs, and what it should give."""

import warnings

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from . import elementwise, graphs, movement, other, quantized, reference, windows
from .builder import HALVES, Case, Input, Skip, seeded

RECIPES = {**elementwise.RECIPES, **movement.RECIPES, **windows.RECIPES, **other.RECIPES, **quantized.RECIPES}
warnings.filterwarnings("ignore")


class Made:
    def __init__(self, title, model, given, outputs, who):
        self.title, self.model, self.reference = title, model, who
        self.sets = []
        self.add(given, outputs)

    def add(self, given, outputs):
        """A set of inputs and what they should give."""
        inputs = [serialized(i.array, i.name) for i in given]
        self.sets.append((inputs, [serialized(v, o.name) for v, o in zip(outputs, self.model.graph.output)]))

    def groups(self):
        loose = reference.uses(self.model, HALVES) or "(float32)" in self.reference
        return ["half" if loose else "exact"]

    def write(self, folder):
        folder.mkdir(parents=True)
        onnx.save(self.model, folder / "model.onnx")
        (folder / "title.txt").write_text(self.title + "\n")
        for number, pair in enumerate(self.sets):
            data = folder / f"test_data_set_{number}"
            data.mkdir()
            for kind, values in zip(("input", "output"), pair):
                for index, data_bytes in enumerate(values):
                    (data / f"{kind}_{index}.pb").write_bytes(data_bytes)


def serialized(value, name):
    if isinstance(value, list):
        return numpy_helper.from_list(value, name).SerializeToString()
    return numpy_helper.from_array(np.asarray(value), name).SerializeToString()


def make(seed, options):
    """The case of this seed; None when the seed gives no valid model."""
    rng = seeded(seed)
    low, _, high = options.opset.partition("-")
    opset = rng.randint(int(low), int(high or low))
    if options.graphs:
        return make_graph(opset, rng)
    names = options.operators.split(",") if options.operators else sorted(RECIPES)
    name = rng.choice(names)
    try:
        case = Case(name, opset, rng)
    except onnx.defs.SchemaError:
        return None
    if case.schema.deprecated:
        return None
    try:
        RECIPES[name](case)
        model, given = case.model()
        outputs, who = reference.expected(model, given)
        return Made(title(case, opset), model, given, outputs, who)
    except (Skip, KeyError):
        return None
    except Exception as error:
        return None if not DEBUG else print(name, opset, str(error)[:300])


def make_graph(opset, rng):
    try:
        name, model, given = graphs.build(opset, rng)
        outputs, who = reference.expected(model, given)
        if who == "onnx reference":
            # It has too many errors of its own where many operators meet.
            return None
        made = Made(name, model, given, outputs, who)
        add_other_batch(made, given, rng)
        return made
    except Skip:
        return None
    except Exception as error:
        return None if not DEBUG else print("graph", opset, str(error)[:300])


def add_other_batch(made, given, rng):
    """A second run of the same session with a longer first axis, and a third like the first."""
    factor = rng.choice([2, 3])
    longer = [Input(i.name, np.repeat(i.array, factor, axis=0), i.element, i.kind) for i in given]
    try:
        outputs, who = reference.expected(made.model, longer)
        if who == "onnx reference":
            return
    except Exception:
        # Fixed extents, or constants that do not go with it.
        return
    made.add(longer, outputs)
    made.sets.append(made.sets[0])


DEBUG = False


def title(case, opset):
    parts = []
    for item in case.inputs:
        parts.append(
            "-"
            if item is None
            else f"{TensorProto.DataType.Name(item.element).lower()}{list(item.array.shape)}".replace(" ", "")
            + {"input": "", "initializer": "=i", "constant": "=c"}[item.kind]
        )
    attributes = " ".join(f"{k}={str(v)[:40]}" for k, v in case.attributes.items())
    return f"{case.op} opset {opset} (v{case.version}) {' '.join(parts)} {attributes}".strip()
