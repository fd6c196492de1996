"""Recipes of every kind and models of every kind, for what onnxruntime makes of the files that come out."""

from dataclasses import dataclass
from pathlib import Path

import exported_graphs
import models
import numpy as np
import onnx
from conftest import CNN, DIGITS, ROOT

TRAIN_SET = ROOT / "config" / "datasets" / "digits-train.npz"
TEST_SET = ROOT / "config" / "datasets" / "digits-test.npz"
ROWS = 128


@dataclass
class Subject:
    """A model with rows for calibration (None: none are given) and inputs to compare outputs on."""

    path: Path
    inputs: dict
    calibration: Path = None


def bundled(path, name):
    def make(folder):
        with np.load(TEST_SET) as arrays:
            inputs = {name: arrays[name][:ROWS]}
        return Subject(path, inputs, TRAIN_SET)

    return make


def generated(build, rows=None):
    """`build()`: a model and its inputs. `rows(seed)`: calibration data; without it none are given."""

    def make(folder):
        model, inputs = build()
        onnx.save(model, folder / "model.onnx")
        calibration = None
        if rows:
            calibration = folder / "calibration.npz"
            np.savez(calibration, **rows(7))
        return Subject(folder / "model.onnx", inputs, calibration)

    return make


def exported(name, case):
    model, cases, _ = exported_graphs.ALL[name]()
    return model, cases[case]


SUBJECTS = {
    "mlp": bundled(DIGITS, "pixels"),
    "cnn": bundled(CNN, "image"),
    "bert": generated(
        lambda: (models.bert(), models.bert_inputs(8, 16)), lambda seed: models.bert_inputs(32, 16, seed=seed)
    ),
    # An embedding, LSTM in two directions, Gemm.
    "lstm": generated(lambda: exported("text_lstm", 2)),
    # With a transposed convolution.
    "unet": generated(lambda: exported("unet", 1), lambda seed: {"x": exported_graphs.normal(16, 3, 16, 16, seed=seed)}),
    # Computes in float16.
    "half": generated(lambda: exported("half", 1)),
    # Layers inside the branches of an If.
    "branches": generated(lambda: exported("decoder_merged", 1)),
}


def quantize(**members):
    return {"quantize": members}


def weights(form, **members):
    return [quantize(weights=form, activations="none", **members)]


def static(**members):
    return [quantize(activations="static", **members)]


def dynamic(**members):
    return [quantize(activations="dynamic", **members)]


def prune(sparsity, **members):
    return [{"prune": {"sparsity": sparsity, **members}}]


FLAT = ["mlp", "cnn"]
EVERY = list(SUBJECTS)

# Name: steps, and the models that they are tried on.
RECIPES = {
    "dynamic": (dynamic(), [*FLAT, "bert"]),
    "dynamic-uint8": (dynamic(weights="uint8"), FLAT),
    "dynamic-tensor": (dynamic(granularity="tensor"), FLAT),
    "dynamic-row": (dynamic(activation_scale="row"), ["mlp", "bert"]),
    "static": (static(), [*FLAT, "bert", "unet"]),
    "static-uint8": (static(weights="uint8"), FLAT),
    "static-tensor": (static(granularity="tensor"), FLAT),
    "static-moving-average": (static(calibrator="moving_average"), FLAT),
    "static-percentile": (static(calibrator="percentile", percentile=99.9), FLAT),
    "static-entropy": (static(calibrator="entropy"), FLAT),
    "static-mse": (static(calibrator="mse"), FLAT),
    "static-int8": (static(activation_type="int8"), FLAT),
    "static-uint16": (static(activation_type="uint16"), FLAT),
    "static-int16": (static(activation_type="int16"), FLAT),
    "static-qoperator": (static(format="qoperator"), [*FLAT, "bert", "unet"]),
    "static-qoperator-int8": (static(format="qoperator", activation_type="int8"), FLAT),
    "static-qoperator-uint8-tensor": (static(format="qoperator", weights="uint8", granularity="tensor"), FLAT),
    "static-gptq": (static(method="gptq"), FLAT),
    "weights": (weights("int8"), EVERY),
    "weights-uint8": (weights("uint8"), FLAT),
    "fixed8": (weights("fixed8"), ["mlp", "cnn", "lstm"]),
    "static-fixed8": (static(weights="fixed8"), FLAT),
    "dynamic-fixed8": (dynamic(weights="fixed8"), ["mlp"]),
    "minmax8": (weights("minmax", bits=8), EVERY),
    "minmax4": (weights("minmax", bits=4), FLAT),
    "int4": (weights("int4"), EVERY),
    "int4-groups": (weights("int4", granularity="group", group=32), ["mlp", "cnn", "bert"]),
    "int4-gptq": (weights("int4", method="gptq"), ["mlp", "cnn", "bert"]),
    "int4-descent": (weights("int4", method="descent"), ["mlp"]),
    "int4-mse": (weights("int4", clip="mse"), FLAT),
    "int4-oscar": (weights("int4", clip="oscar"), FLAT),
    "int3": (weights("int3"), FLAT),
    "int2": (weights("int2"), FLAT),
    "binary": (weights("binary"), FLAT),
    "ternary": (weights("ternary"), FLAT),
    "codebook16": (weights("codebook", clusters=16), [*FLAT, "lstm"]),
    "codebook256": (weights("codebook", clusters=256), FLAT),
    "fp16": (weights("fp16"), EVERY),
    "bf16": (weights("bf16"), FLAT),
    "fp8": (weights("fp8"), FLAT),
    "pruned": (prune(0.5), FLAT),
    "pruned-90": (prune(0.9), [*FLAT, "bert"]),
    "pruned-wanda": (prune(0.5, method="wanda"), FLAT),
    "pruned-stability": (prune(0.5, method="stability"), FLAT),
    "pruned-obs": (prune(0.7, method="obs"), FLAT),
    "pruned-2:4": (prune(0.5, structure="2:4"), FLAT),
    "pruned-blocks": (prune(0.7, structure="block:1x16"), FLAT),
    "pruned-channels": (prune(0.5, method="activation_energy", structure="channel"), [*FLAT, "unet"]),
    "pruned-dynamic": (prune(0.5) + dynamic(), FLAT),
    "pruned-static": (prune(0.5) + static(), FLAT),
    "pruned-int8": (prune(0.9) + weights("int8"), FLAT),
    "pruned-heads": (prune(0.5, structure="head"), ["bert"]),
    "pruned-channels-static": (prune(0.5, structure="channel") + static(), FLAT),
    "shared": ([{"share_weights": {"clusters": 16}}], [*FLAT, "bert"]),
    "shared-channel": ([{"share_weights": {"clusters": 16, "scope": "channel"}}], FLAT),
    "low-rank": ([{"low_rank": {"parameters": 0.5}}], [*FLAT, "bert"]),
    "low-rank-svd": ([{"low_rank": {"parameters": 0.5, "method": "svd"}}], FLAT),
    "low-rank-dynamic": ([{"low_rank": {"parameters": 0.5}}, *dynamic()], FLAT),
    "equalized": ([{"equalize": {}}], FLAT),
    "equalized-static": ([{"equalize": {}}, *static()], ["cnn"]),
}

# Files with integer arithmetic, which the engine rounds once where the graph as written rounds several times.
INTEGER = {name for name in RECIPES if "static" in name or "dynamic" in name}

CASES = [(name, subject) for name, (_, subjects) in RECIPES.items() for subject in subjects]
