"""What the quantizer of onnxruntime makes of a model: every setting that is worth trying, and the best of them.

Models are prepared as its documentation asks for, and beyond: constants become initializers, the opset is raised to 17
(per-channel scales need 13), BatchNormalization is folded. Without that it fails or quantizes nothing.
"""
import contextlib
import io
import itertools
import logging
from pathlib import Path

import numpy as np
import onnx
from onnx import version_converter

OPSET = 17
PRODUCTS = ["Conv", "MatMul", "Gemm"]


class CannotQuantize(Exception):
    """A setting that fails on a model; the last line of what was said."""


def prepared(path, folder):
    """The model as its quantizer needs it, in `folder`."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    target = Path(folder) / f"{Path(path).stem}.prepared.onnx"
    if target.exists():
        return target
    model = onnx.load(path)
    hoist(model.graph)
    if next(entry.version for entry in model.opset_import if entry.domain == "") < OPSET:
        model = version_converter.convert_version(model, OPSET)
    raised = Path(folder) / f"{Path(path).stem}.raised.onnx"
    onnx.save(model, raised)
    with quiet():
        quant_pre_process(str(raised), str(target), skip_symbolic_shape=True)
    raised.unlink()
    return target


def hoist(graph):
    """Turns Constant nodes into initializers."""
    kept = []
    for node in graph.node:
        value = next((entry.t for entry in node.attribute if entry.name == "value"), None)
        if node.op_type != "Constant" or value is None:
            kept.append(node)
            continue
        tensor = onnx.TensorProto()
        tensor.CopyFrom(value)
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
    del graph.node[:]
    graph.node.extend(kept)


def settings(quick=False):
    """(name, arguments) of each setting; None for dynamic quantization."""
    yield "dynamic", None
    methods = ["MinMax"] if quick else ["MinMax", "Percentile", "Entropy"]
    for method, reduced, products in itertools.product(methods, (False, True), (True, False)):
        name = f"static {method}" + (" reduce_range" if reduced else "") + ("" if products else ", default operators")
        yield name, {"method": method, "reduce_range": reduced, "operators": PRODUCTS if products else None}


def quantized(path, arguments, calibration, target, is_single=False):
    """Writes `target`. Raises `CannotQuantize`."""
    from onnxruntime import quantization

    try:
        with quiet():
            if arguments is None:
                quantization.quantize_dynamic(str(path), str(target), per_channel=True, weight_type=quantization.QuantType.QInt8)
            else:
                quantization.quantize_static(
                    str(path), str(target), reader(calibration, is_single), quant_format=quantization.QuantFormat.QDQ,
                    op_types_to_quantize=arguments["operators"], per_channel=True, reduce_range=arguments["reduce_range"],
                    activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
                    calibrate_method=getattr(quantization.CalibrationMethod, arguments["method"]),
                )  # fmt: skip
        onnx.checker.check_model(str(target))
    except Exception as error:
        raise CannotQuantize((str(error).strip().splitlines() or [type(error).__name__])[-1]) from error
    return target


def reader(arrays, is_single, rows=4):
    """Calibration data in calls of equal size."""
    from onnxruntime.quantization import CalibrationDataReader

    count = len(next(iter(arrays.values())))
    step = 1 if is_single else min(rows, count)
    starts = iter(range(0, count - step + 1, step))

    class Reader(CalibrationDataReader):
        def get_next(self):
            start = next(starts, None)
            if start is None:
                return None
            return {n: np.asarray(a[start]) if is_single else a[start : start + step] for n, a in arrays.items()}

    return Reader()


def best(path, data, score, folder, quick=False, report=lambda name, result: None):
    """The setting with the best score of those that make the file smaller, of equal ones the smallest file:
    (name, path, score), or None.

    `score(path)` judges a file; higher is better.
    """
    try:
        source = prepared(path, folder)
    except Exception as error:
        report("preparation", str(error).strip().splitlines()[-1])
        return None
    found = []
    for index, (name, arguments) in enumerate(settings(quick)):
        target = Path(folder) / f"{Path(path).stem}.peer{index}.onnx"
        try:
            quantized(source, arguments, data.calibration, target, data.is_single)
            if target.stat().st_size >= Path(path).stat().st_size:
                raise CannotQuantize("the file is not smaller: it left the weights alone")
            value = score(target)
        except Exception as error:
            report(name, str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__)
            continue
        report(name, value)
        if np.isfinite(value):
            found.append((value, -target.stat().st_size, -index, name, target))
    if not found:
        return None
    value, _, _, name, target = max(found)
    return name, target, value


@contextlib.contextmanager
def quiet():
    """Its warnings about models that were not prepared are of no use here."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(previous)


def outputs(path, arrays, is_single=False, rows=32):
    """The first output of onnxruntime for all rows, computed as the file says."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    wanted = {port.name for port in session.get_inputs()}
    arrays = {name: array for name, array in arrays.items() if name in wanted}
    count = len(next(iter(arrays.values())))
    if is_single:
        # A row of a vector is a number, which is no array.
        return np.stack([session.run(None, {n: np.asarray(a[row]) for n, a in arrays.items()})[0] for row in range(count)])
    parts = [
        session.run(None, {n: a[start : start + rows] for n, a in arrays.items()})[0] for start in range(0, count, rows)
    ]
    return np.concatenate(parts)
