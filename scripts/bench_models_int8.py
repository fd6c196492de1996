#!/usr/bin/env python3
"""Writes int8 files of the models of bench_models.py, as onnxruntime's static quantization makes them.

usage: scripts/bench_models_int8.py MODELS DIRECTORY [NAME …]      (no NAME: all that int8 is measured with)

NAME.qdq.onnx and NAME.qoperator.onnx: activations uint8, weights int8 with a scale for each channel, calibrated with
seeded random data. Needs numpy, onnx and onnxruntime (.venv-test has them).
"""
import argparse
import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import version_converter
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

NAMES = ["mlp", "resnet50", "mobilenet-v2", "squeezenet", "bert-4x256"]
OPSET = 17
SAMPLES = 4


class RandomData(CalibrationDataReader):
    """Seeded values of the inputs' types and shapes; unknown extents are 1 for the batch, else 128."""

    def __init__(self, model, seed=0):
        random = np.random.default_rng(seed)
        weights = {weight.name for weight in model.graph.initializer}
        ports = [port for port in model.graph.input if port.name not in weights]
        self.samples = iter([{port.name: self.sample(port, random) for port in ports} for _ in range(SAMPLES)])

    @staticmethod
    def sample(port, random):
        dims = port.type.tensor_type.shape.dim
        shape = [dim.dim_value or (1 if at == 0 else 128) for at, dim in enumerate(dims)]
        if port.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            return random.standard_normal(shape).astype(np.float32)
        return np.ones(shape, np.int64) if "mask" in port.name else random.integers(0, 1000, shape)

    def get_next(self):
        return next(self.samples, None)


def prepared(path, folder):
    """Opset 17, BatchNormalization folded: what the quantizer asks for."""
    model = onnx.load(path)
    weights = {weight.name for weight in model.graph.initializer}
    # Old files list their weights as inputs, which keeps them from being folded, and inputs that nobody reads.
    read = {name for node in model.graph.node for name in node.input}
    ports = [port for port in model.graph.input if port.name not in weights and port.name in read]
    del model.graph.input[:]
    model.graph.input.extend(ports)
    if model.opset_import[0].version < OPSET:
        model = version_converter.convert_version(model, OPSET)
    model.ir_version = max(model.ir_version, 8)
    raised, ready = folder / "raised.onnx", folder / "ready.onnx"
    onnx.save(model, raised)
    quant_pre_process(raised, ready, skip_symbolic_shape=True)
    return ready


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("names", nargs="*", default=NAMES)
    arguments = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    arguments.directory.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or NAMES:
        with tempfile.TemporaryDirectory() as folder:
            ready = prepared(arguments.models / f"{name}.onnx", Path(folder))
            for format in (QuantFormat.QDQ, QuantFormat.QOperator):
                target = arguments.directory / f"{name}.{format.name.lower()}.onnx"
                quantize_static(
                    ready, target, RandomData(onnx.load(ready)), quant_format=format, per_channel=True,
                    reduce_range=False, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
                print(target, target.stat().st_size, flush=True)


if __name__ == "__main__":
    main()
