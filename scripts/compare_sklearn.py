#!/usr/bin/env python3
"""What scikit-learn, XGBoost and LightGBM export, run in Adze and in onnxruntime: one line for each family.

usage: scripts/compare_sklearn.py [--only NAME ...] [--quick] [--keep DIRECTORY] [--verbose]

Fits every classifier, regressor, transformer and clusterer that skl2onnx converts on small data, exports it for several
operator sets (float32, some int64 and string inputs, with and without ZipMap), and text and ColumnTransformer
pipelines, and runs each model with `.build/release/adze run`. Integers and strings must be equal, floats within 1e-4 of
the output's scale. A model that onnxruntime itself refuses is left out and counted. --quick takes one operator set.
Makes .venv-sklearn with the converters when it is missing. The exit status is 1 when a model disagrees.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import environment

ROOT = Path(__file__).resolve().parent.parent
VENV = ".venv-sklearn"
PACKAGES = [
    "numpy==2.4.6", "onnx==1.22.0", "onnxruntime==1.31.1", "scikit-learn==1.9.1", "skl2onnx==1.20.0",
    "onnxmltools==1.16.0", "xgboost==3.2.0", "lightgbm==4.7.0", "pandas==3.1.1",
]
TOLERANCE = 1e-4


# --- export and comparison ----------------------------------------------------------------------------------------


def exports(data, options):
    """(family, variant, model as bytes or an exception, inputs) for every model."""
    import numpy as np
    from sklearn_models import ROWS, boosters, estimators, pipelines

    opsets = [None] if options.quick else [None, 15, 12]

    def is_wanted(family):
        return not options.only or any(part in family for part in options.only)

    for family, make in [*estimators(data), *pipelines(data)]:
        if not is_wanted(family):
            continue
        try:
            fitted, x = make()
        except Exception as error:
            yield family, "fit", error, None
            continue
        inputs = x if isinstance(x, dict) else {"input": x}
        if not isinstance(x, list):
            inputs = {name: column[:ROWS] for name, column in inputs.items()}
        zipmaps = [False, True] if is_zipped(fitted) else [None]
        for opset in opsets:
            for zipmap in zipmaps if opset is None else zipmaps[:1]:
                variant = f"opset {opset or 'newest'}" + (", ZipMap" if zipmap else "")
                try:
                    yield family, variant, export(fitted, inputs, opset, zipmap), inputs
                except Exception as error:
                    yield family, variant, error, None
    for family, make, x in boosters(data):
        if not is_wanted(family):
            continue
        try:
            yield family, "onnxmltools", make().SerializeToString(), {"input": x[:ROWS].astype(np.float32)}
        except Exception as error:
            yield family, "onnxmltools", error, None


def is_zipped(fitted):
    from sklearn.base import is_classifier

    return is_classifier(fitted) and hasattr(fitted, "predict_proba") and not isinstance(
        getattr(fitted, "classes_", None), list)


def export(fitted, inputs, opset, zipmap):
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import (DictionaryType, FloatTensorType, Int64TensorType, StringTensorType)

    kinds = {"f": FloatTensorType, "i": Int64TensorType, "U": StringTensorType, "O": StringTensorType}
    types = []
    for name, column in inputs.items():
        if isinstance(column, list):
            types.append((name, DictionaryType(StringTensorType([1]), FloatTensorType([1]))))
        else:
            types.append((name, kinds[column.dtype.kind]([None, column.shape[1]])))
    # onnxruntime needs the locale that a model names; every machine has this one.
    settings = {cls: {"locale": "C.utf8"} for cls in (CountVectorizer, TfidfVectorizer)}
    if zipmap is not None:
        settings[id(fitted)] = {"zipmap": zipmap}
    return to_onnx(fitted, initial_types=types, target_opset=opset, options=settings).SerializeToString()


def expected(model, inputs):
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]
    feed = {name: column.astype(object) if column.dtype.kind == "U" else column for name, column in inputs.items()}
    return dict(zip(names, session.run(names, feed)))


def computed(model, inputs, directory):
    """Every output by name: arrays from the file that `adze run` writes, the others from the JSON it prints."""
    import numpy as np

    path, given, taken = (Path(directory) / name for name in ("model.onnx", "in.npz", "out.npz"))
    path.write_bytes(model)
    taken.unlink(missing_ok=True)
    np.savez(given, **inputs)
    done = subprocess.run(
        [ROOT / ".build/release/adze", "run", path, "--inputs", given, "--outputs", taken],
        capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip() or f"status {done.returncode}").splitlines()[-1])
    outputs = dict(np.load(taken)) if taken.exists() else {}
    if done.stdout.strip():
        outputs.update(json.loads(done.stdout))
    return outputs


def difference(actual, wanted):
    """What differs, in words; None when both agree."""
    import numpy as np

    if isinstance(wanted, list) and wanted and isinstance(wanted[0], np.ndarray):
        if not isinstance(actual, list) or len(actual) != len(wanted):
            return "is no sequence of as many tensors"
        found = [difference(np.array(left), right) for left, right in zip(actual, wanted)]
        return next((f"element {index} {text}" for index, text in enumerate(found) if text), None)
    if isinstance(wanted, list):
        rows = [{str(key): value for key, value in row.items()} for row in wanted]
        if not isinstance(actual, list) or len(actual) != len(rows):
            return "is no sequence of as many maps"
        for index, (left, right) in enumerate(zip(actual, rows)):
            if left.keys() != right.keys():
                return f"row {index} has keys {list(left)[:4]}, expected {list(right)[:4]}"
            found = difference(np.array([left[key] for key in right]), np.array(list(right.values())))
            if found:
                return f"row {index} {found}"
        return None
    wanted = np.asarray(wanted)
    if actual.shape != wanted.shape:
        return f"has shape {actual.shape}, expected {wanted.shape}"
    if wanted.dtype.kind == "f":
        left, right = actual.astype(np.float64), wanted.astype(np.float64)
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        finite = np.isfinite(right)
        scale = max(float(np.abs(right[finite]).max(initial=0)), 1e-6)
        with np.errstate(invalid="ignore"):
            wrong = ~same & ~(np.abs(left - right) <= TOLERANCE * scale)
        if not wrong.any():
            return None
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        return f"differs in {int(wrong.sum())} of {wrong.size}: {left[place]} at {place}, expected {right[place]}"
    if wanted.dtype.kind in "OU":
        wrong = actual.astype(str) != wanted.astype(str)
    else:
        wrong = actual != wanted
    if not wrong.any():
        return None
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"differs in {int(wrong.sum())} of {wrong.size}: {actual[place]} at {place}, expected {wanted[place]}"


def compare(model, inputs, directory):
    """None when both runtimes agree; ("refused" or "failed", why) otherwise."""
    import numpy as np

    maps = [name for name, value in inputs.items() if isinstance(value, list)]
    if maps:
        return "left out", "its input is a map, which .npz files cannot hold"
    try:
        wanted = expected(model, inputs)
    except Exception as error:
        return "left out", f"onnxruntime: {str(error)[:160]}"
    try:
        actual = computed(model, inputs, directory)
    except Exception as error:
        return "failed", str(error)[:300]
    for name, value in wanted.items():
        if name not in actual:
            return "failed", f"no output '{name}'"
        found = difference(actual[name], value)
        if found:
            return "failed", f"output '{name}' {found}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="families whose name contains one of these")
    parser.add_argument("--quick", action="store_true", help="the newest operator set only")
    parser.add_argument("--keep", help="write models that fail there")
    parser.add_argument("--verbose", action="store_true", help="also say why models were left out")
    options = parser.parse_args()
    environment.enter(VENV, PACKAGES)
    warnings.filterwarnings("ignore")
    report(options)


def report(options):
    from itertools import groupby

    from sklearn_models import Data

    agree, fail, out, families = 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as directory:
        models = exports(Data(), options)
        for family, group in groupby(models, key=lambda each: each[0]):
            outcomes = [judge(*each, directory, options.keep) for each in group]
            good = outcomes.count(None)
            bad = [why for outcome in outcomes if outcome for kind, why in [outcome] if kind == "failed"]
            rest = [why for outcome in outcomes if outcome for kind, why in [outcome] if kind == "left out"]
            agree, fail, out, families = agree + good, fail + len(bad), out + len(rest), families + 1
            state = "FAILED" if bad else "ok" if good else "left out"
            print(f"{family:44} {state:9} {good} agree, {len(bad)} differ, {len(rest)} left out", flush=True)
            for why in bad + (rest if options.verbose or not good else []):
                print(f"    {why}", flush=True)
    print(f"{agree} models agree, {fail} differ, {out} left out; {families} families")
    if fail or not agree:
        sys.exit(1)


def judge(family, variant, model, inputs, directory, keep):
    if isinstance(model, Exception):
        return "left out", f"{variant}: converter: {str(model)[:120]!r}"
    outcome = compare(model, inputs, directory)
    if outcome and outcome[0] == "failed" and keep:
        Path(keep).mkdir(parents=True, exist_ok=True)
        name = f"{family}-{variant}".replace("/", "_").replace(" ", "_")
        (Path(keep) / f"{name}.onnx").write_bytes(model)
    return outcome and (outcome[0], f"{variant}: {outcome[1]}")


if __name__ == "__main__":
    main()
