"""What the accuracy tables hold: recipes with their targets, models with their data and judges, what a report must say."""
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import accuracy_data as data
import accuracy_models as models
import numpy as np
import onnx

PRESETS = ["safe", "balanced", "fast", "small", "audit"]


def quantize(**members):
    return {"quantize": members}


def weights(form, **members):
    return [quantize(weights=form, activations="none", **members)]


def prune(sparsity, **members):
    return [{"prune": {"sparsity": sparsity, **members}}]


def neurons(sparsity):
    return prune(sparsity, method="activation_energy", structure="channel", repair="least_squares")


def gptq(form):
    return weights(form, method="gptq")


# Name, steps, and the percentage of right answers that the MLP must keep.
RECIPES = [
    ("int8 dynamic", [quantize(activations="dynamic")], 98.05),
    ("int8 dynamic row", [quantize(activations="dynamic", activation_scale="row")], None),
    ("int8 static", [quantize(activations="static")], 98.05),
    ("equalize and int8 static", [{"equalize": {}}, quantize(activations="static")], None),
    ("int8 weights", weights("int8"), 98.05),
    ("uint8 static", [quantize(weights="uint8", activations="static")], None),
    ("int4 gptq groups of 32", weights("int4", method="gptq", granularity="group", group=32), 98.05),
    ("int4 gptq channel", gptq("int4"), 98.05),
    ("int3 gptq channel", gptq("int3"), None),
    ("int2 gptq channel", gptq("int2"), 97.7),
    ("int4 descent", weights("int4", method="descent"), None),
    ("fixed8", weights("fixed8"), None),
    ("minmax 8", weights("minmax", bits=8), None),
    ("minmax 4", weights("minmax", bits=4), None),
    ("binary, middle layer", weights("binary", layers=["*2"]), None),
    ("ternary, middle layer", weights("ternary", layers=["*2"]), None),
    ("codebook 16", weights("codebook", clusters=16), None),
    ("fp16", weights("fp16"), 98.05),
    ("bf16", weights("bf16"), None),
    ("fp8", weights("fp8"), None),
    ("magnitude 50 %", prune(0.5), None),
    ("wanda 50 %", prune(0.5, method="wanda"), None),
    ("stability 50 %", prune(0.5, method="stability"), None),
    ("obs 50 %", prune(0.5, method="obs"), 97.7),
    ("obs 70 %", prune(0.7, method="obs"), 97.6),
    ("obs 80 %", prune(0.8, method="obs"), 95),
    ("obs 90 %", prune(0.9, method="obs"), None),
    ("obs 2:4", prune(0.5, method="obs", structure="2:4"), 97.8),
    ("obs blocks 1x16 70 %", prune(0.7, method="obs", structure="block:1x16"), None),
    ("neurons 30 %", neurons(0.3), None),
    ("neurons 50 %", neurons(0.5), 97.6),
    ("neurons 70 %", neurons(0.7), 97.0),
    ("obs 50 % and int8 static", [*prune(0.5, method="obs"), quantize(activations="static")], None),
    ("shared weights 256", [{"share_weights": {"clusters": 256}}], None),
    ("shared weights 16", [{"share_weights": {"clusters": 16}}], 97.9),
    ("low rank 0.5", [{"low_rank": {"parameters": 0.5}}], 98.0),
    ("low rank 0.25", [{"low_rank": {"parameters": 0.25}}], None),
]


@dataclass
class Judgement:
    """How good outputs are: what the table shows, and one number of which more is better."""

    cells: list
    score: float
    # What the target is about.
    value: float


@dataclass
class Case:
    """A model with its data. `judge(reference, outputs, truth)` compares first outputs with float32's."""

    name: str
    path: Path
    data: data.Data
    output: str
    judge: Callable = None
    heads: list = field(default_factory=list)
    target: Callable = lambda judgement, size: True
    batch: int = 1


def read(reference, outputs, truth):
    exact, errors = data.read_words(outputs, truth)
    return Judgement([f"{exact} of {len(truth[1])}", f"{errors:.4f}"], exact - errors, exact)


def heard(reference, outputs, truth):
    agreement = float(((outputs >= 0.5) == (reference >= 0.5)).mean())
    error = float(np.abs(outputs - reference).mean())
    return Judgement([f"{100 * agreement:.2f}", f"{error:.4f}"], agreement - error, agreement)


def ranked(reference, outputs, truth):
    cosine, recall, correlation = data.ranks_agree(reference, outputs)
    return Judgement([f"{cosine:.4f}", f"{100 * recall:.1f}", f"{correlation:.4f}"], cosine, cosine)


def seen(reference, outputs, truth):
    decibels = data.sqnr(reference, outputs)
    same = reference.reshape(len(reference), -1).argmax(1) == outputs.reshape(len(outputs), -1).argmax(1)
    return Judgement([f"{decibels:.1f}", f"{100 * same.mean():.1f}"], decibels, decibels)


def first_output(path):
    return onnx.load(path, load_external_data=False).graph.output[0].name


def case(name, path, content, judge, heads, target):
    return Case(name, Path(path), content, first_output(path), judge, heads, target)


def word_cases(found):
    path = found.words()
    content = data.words(models.ports(path)[0], models.characters(path))
    yield case("PP-OCRv4 rec", path, content, read, ["words", "CER"], lambda j, size: j.value >= 58 and size <= 3.06e6)


def speech_cases(found):
    import onnxruntime

    for name in ("silero_vad_16k_sequence", "silero_vad"):
        path = found.speech(name)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

        def run(arrays, session=session):
            return session.run(None, arrays)

        content = data.speech([port.name for port in session.get_inputs()], run)
        yield case(name, path, content, heard, ["agreement %", "MAE"], lambda j, size: j.value >= 0.99)


def sentence_cases(found):
    path, encode = found.sentences()
    heads = ["cosine", "recall@10 %", "Spearman"]
    yield case("MiniLM-L6", path, data.sentences(encode), ranked, heads, lambda j, size: j.value >= 0.995)


def image_cases(found):
    for name in ("squeezenet", "resnet50"):
        path = found.convolutional(name)
        content = data.images(models.ports(path)[0], 16, 16)
        yield case(name, path, content, seen, ["SQNR dB", "agreement %"], lambda j, size: j.value >= 30)


def other_cases(found):
    """Models that are only put through the presets."""
    for name, port in (("digits", "pixels"), ("digits-cnn", "image")):
        yield case(name, found.bundled(name), data.digits(port), None, [], None)
    for name, path, draw in (("PP-OCRv4 det", found.pages(), data.pages), ("PP-OCR cls", found.directions(), data.turned)):
        yield case(name, path, draw(models.ports(path)[0]), None, [], None)


CASES = {
    "words": word_cases, "speech": speech_cases, "sentences": sentence_cases, "images": image_cases, "others": other_cases,
}  # fmt: skip


def every_case(found, kind, say):
    """The cases of one kind, or all; models that cannot be had are named and left out."""
    for name in [kind] if kind else CASES:
        try:
            yield from CASES[name](found)
        except models.Missing as error:
            say(f"SKIPPED {name}: {error}")


REPORT = ["verdict", "passed", "promote", "reasons", "recipe", "steps", "label", "parent_sha256", "before", "after",
          "size_ratio", "constraints", "layers", "evidence", "notes", "isa", "threads", "seconds"]  # fmt: skip
MEASURED = ["file_bytes", "gzip_bytes", "parameters", "nonzeros", "latency"]


def report_faults(report):
    """What a report should say and does not."""
    faults = [f"no {name}" for name in REPORT if name not in report]
    for side in ("before", "after"):
        faults += [f"no {side}.{name}" for name in MEASURED if name not in report.get(side, {})]
    if report.get("evidence") != "none":
        faults += ["no comparison"] if not report.get("comparison") else []
        faults += ["no speedup"] if not report.get("speedup") else []
    if not report.get("promote") and not report.get("reasons"):
        faults.append("not promoted without a reason")
    if report.get("steps"):
        silent = [layer["name"] for layer in report.get("layers", []) if not layer["methods"] and not layer["no_op"]]
        faults += [f"nothing said about {name}" for name in silent[:3]]
    return faults
