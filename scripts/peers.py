"""Adze and the engines it is measured beside, each timed in a process of its own.

`measured(engine, work)` runs one round: {"p50_ms", "rows_per_s", "version", "load_ms", "peak_bytes"}. Load time is that of reading the
model, making it ready and the first call; peak memory is the process's largest resident set, for the Python engines
less what interpreter and library took before the model was read.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from environment import ROOT, python_of

VENV = ".venv-bench"
PACKAGES = ["numpy==2.4.6", "onnx==1.22.0", "onnxruntime==1.31.1", "openvino==2026.4.1"]
ADZE = ROOT / ".build" / "release" / "adze"
PEERS = ["onnxruntime", "openvino"]


@dataclass
class Work:
    """One model with the sizes that it is run at."""

    model: str
    batch: int = 1
    threads: int = 1
    seconds: float = 1.0
    dimensions: dict = field(default_factory=dict)

    def arguments(self):
        items = [self.model, "--batch", self.batch, "--threads", self.threads, "--seconds", self.seconds]
        for name, extent in self.dimensions.items():
            items += ["--dim", f"{name}={extent}"]
        return [str(item) for item in items]


class CannotRun(Exception):
    """An engine that does not take a model; the last line of what it said."""


def measured(engine, work):
    if engine == "adze":
        if not ADZE.exists():
            sys.exit(f"{ADZE.relative_to(ROOT)} is missing; build it with scripts/build")
        return _adze(_run([ADZE, "bench", *work.arguments(), "--json"]))
    return _run([python_of(VENV, PACKAGES), __file__, engine, *work.arguments()])


def _adze(result):
    return {
        "p50_ms": result["p50_ms"], "rows_per_s": result["rows_per_s"], "version": result["isa"],
        "load_ms": result["load_ms"], "peak_bytes": result["peak_rss_bytes"],
    }  # fmt: skip


def _run(command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise CannotRun(lines[-1])
    return json.loads(done.stdout)


def parse_dimensions(items):
    pairs = (item.partition("=") for item in items)
    return {name: int(extent) for name, _, extent in pairs}


def add_options(parser):
    """The sizes, as `adze bench` spells them."""
    parser.add_argument("model")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--dim", action="append", default=[], metavar="name=N", help="extent of a symbolic dimension")


def work_of(options):
    model = os.path.abspath(options.model)
    return Work(model, options.batch, options.threads, options.seconds, parse_dimensions(options.dim))


# --- inside the environment: one engine, one round -----------------------------------------------------------------


def random_input(generator, element, shape):
    """As `adze bench` makes them: floats in -1 ... 1, integers 0 and 1. `element` is numpy's name of the type."""
    if element.startswith("float"):
        return generator.uniform(-1, 1, shape).astype(element)
    if element in ("uint8", "int8"):
        return generator.integers(0, 127, shape).astype(element)
    return generator.integers(0, 2, shape).astype(element)


def onnxruntime_call(work):
    """A function that runs the model once, with bound inputs and outputs and all graph optimisations."""
    import numpy
    import onnxruntime

    names = {"float": "float32", "double": "float64"}
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = work.threads, 1
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(work.model, settings, providers=["CPUExecutionProvider"])
    generator, binding = numpy.random.default_rng(0), session.io_binding()
    for port in session.get_inputs():
        kind = port.type.removeprefix("tensor(").removesuffix(")")
        shape = [
            extent if isinstance(extent, int) else work.dimensions.get(extent, work.batch if axis == 0 else 1)
            for axis, extent in enumerate(port.shape)
        ]
        binding.bind_cpu_input(port.name, random_input(generator, names.get(kind, kind), shape))
    for port in session.get_outputs():
        binding.bind_output(port.name)
    return lambda: session.run_with_iobinding(binding)


def openvino_call(work):
    """The same with OpenVINO: shapes fixed before it compiles, float32 kept as it is."""
    import numpy
    import openvino

    core = openvino.Core()
    model = core.read_model(work.model)
    shapes = {}
    for port in model.inputs:
        extents = []
        for axis, dimension in enumerate(port.partial_shape):
            # It drops the names of dimensions; no model here has more than one beside the batch.
            free = work.batch if axis == 0 else next(iter(work.dimensions.values()), 1)
            extents.append(dimension.get_length() if dimension.is_static else free)
        shapes[port] = extents
    model.reshape(shapes)
    settings = {
        "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": work.threads, "ENABLE_CPU_PINNING": False,
    }  # fmt: skip
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    generator = numpy.random.default_rng(0)
    for index, port in enumerate(request.model_inputs):
        data = random_input(generator, numpy.dtype(port.element_type.to_dtype()).name, list(port.shape))
        request.set_input_tensor(index, openvino.Tensor(data))
    return request.infer


CALLS = {"onnxruntime": onnxruntime_call, "openvino": openvino_call}


def peak_bytes():
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def latencies(call, seconds):
    """Milliseconds of single calls, at least three, after a warm-up."""
    from time import perf_counter_ns as now

    warm_up = now() + int(min(0.3, seconds / 4) * 1e9)
    while now() < warm_up:
        call()
    found, before = [], now()
    end = before + int(seconds * 1e9)
    while before < end or len(found) < 3:
        call()
        after = now()
        found.append((after - before) / 1e6)
        before = after
    return found


def round_of(engine, work):
    import importlib
    from time import perf_counter as now

    import numpy  # noqa: F401

    version = importlib.import_module(engine).__version__.split("-")[0]
    own = peak_bytes()
    start = now()
    call = CALLS[engine](work)
    call()
    load = (now() - start) * 1000
    p50 = statistics.median(latencies(call, work.seconds))
    return {
        "p50_ms": p50, "rows_per_s": work.batch / p50 * 1000, "version": version, "load_ms": load,
        "peak_bytes": peak_bytes() - own,
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One round of one engine, inside the environment of the benchmarks.")
    parser.add_argument("engine", choices=PEERS)
    add_options(parser)
    chosen = parser.parse_args()
    print(json.dumps(round_of(chosen.engine, work_of(chosen))))
