#!/usr/bin/env python3
"""Speed of Adze beside onnxruntime on this machine: the ratio of their rows per second.

usage: scripts/bench_ratio.py MODEL [--batch 32] [--threads 1] [--rounds 7] [--seconds 1] [--dim name=N] [--minimum R]

Runs `.build/release/adze bench MODEL --json` and onnxruntime in turn, several rounds, so that a slow moment of the
machine hits both; each round's figure is batch / median latency, the printed one the median of the rounds.
onnxruntime runs in its own process with bound inputs and outputs, all graph optimisations on, and as many threads.
Makes .venv-bench with onnxruntime when it is missing. With --minimum the exit status is 1 when the ratio is below it.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-bench"
PACKAGES = ["numpy==2.4.6", "onnxruntime==1.31.1"]


def venv_python():
    """The environment's interpreter; made on first use and whenever the packages change."""
    python, stamp = VENV / "bin" / "python", VENV / "installed.txt"
    if not stamp.exists() or stamp.read_text() != "\n".join(PACKAGES):
        print(f"making {VENV.name} with {', '.join(PACKAGES)}", file=sys.stderr)
        subprocess.check_call([sys.executable, "-m", "venv", str(VENV)])
        subprocess.check_call([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES])
        stamp.write_text("\n".join(PACKAGES))
    return python


def random_input(numpy, generator, port, batch, dimensions):
    types = {"float": "float32", "double": "float64", "float16": "float16", "bool": "bool"}
    kind = port.type.removeprefix("tensor(").removesuffix(")")
    shape = [
        extent if isinstance(extent, int) else batch if axis == 0 else dimensions.get(extent, 1)
        for axis, extent in enumerate(port.shape)
    ]
    if kind in types:
        return generator.random(shape).astype(types[kind])
    return generator.integers(0, 2, shape).astype(getattr(numpy, kind))


def time_onnxruntime(options):
    """One round: prints JSON with the latency percentiles. Runs inside the environment."""
    from time import perf_counter_ns as now

    import numpy
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = options.threads, 1
    session = onnxruntime.InferenceSession(options.model, settings, providers=["CPUExecutionProvider"])
    generator, dimensions = numpy.random.default_rng(0), parse_dimensions(options.dim)
    binding = session.io_binding()
    for port in session.get_inputs():
        binding.bind_cpu_input(port.name, random_input(numpy, generator, port, options.batch, dimensions))
    for port in session.get_outputs():
        binding.bind_output(port.name)
    warm_up = now() + int(0.25e9)
    while now() < warm_up:
        session.run_with_iobinding(binding)
    latencies, before = [], now()
    end = before + int(options.seconds * 1e9)
    while before < end or len(latencies) < 10:
        session.run_with_iobinding(binding)
        after = now()
        latencies.append(after - before)
        before = after
    p50 = statistics.median(latencies) / 1e6
    print(json.dumps({"p50_ms": p50, "rows_per_s": options.batch / p50 * 1000, "version": onnxruntime.__version__}))


def parse_dimensions(items):
    pairs = (item.partition("=") for item in items)
    return {name: int(extent) for name, _, extent in pairs}


def run(command):
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stderr.strip()}")
    return json.loads(result.stdout)


def compare(options):
    adze = ROOT / ".build" / "release" / "adze"
    if not adze.exists():
        sys.exit(f"{adze.relative_to(ROOT)} is missing; build it with scripts/build")
    python = venv_python()
    common = ["--batch", str(options.batch), "--threads", str(options.threads), "--seconds", str(options.seconds)]
    for item in options.dim:
        common += ["--dim", item]
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(run([adze, "bench", options.model, *common, "--json"]))
        theirs.append(run([python, __file__, options.model, *common, "--onnxruntime"]))
    print(f"{options.model}: batch {options.batch}, {options.threads} threads, {options.rounds} rounds")
    for name, rounds in (("adze " + ours[0]["isa"], ours), ("onnxruntime " + theirs[0]["version"], theirs)):
        rates = sorted(r["rows_per_s"] for r in rounds)
        latency = statistics.median(r["p50_ms"] for r in rounds)
        print(
            f"  {name:22} {statistics.median(rates):14,.0f} rows/s  (rounds {rates[0]:,.0f} … {rates[-1]:,.0f})"
            f"  p50 {latency:.4f} ms"
        )
    ratio = statistics.median(r["rows_per_s"] for r in ours) / statistics.median(r["rows_per_s"] for r in theirs)
    print(f"ratio {ratio:.2f}")
    return 1 if options.minimum is not None and ratio < options.minimum else 0


def main():
    parser = argparse.ArgumentParser(description="Adze's rows per second over onnxruntime's, measured in turn.")
    parser.add_argument("model")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--dim", action="append", default=[], metavar="name=N", help="extent of a symbolic dimension")
    parser.add_argument("--minimum", type=float, help="fail when the ratio is below this")
    parser.add_argument("--onnxruntime", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.model = os.path.abspath(options.model)
    if options.onnxruntime:
        time_onnxruntime(options)
        return 0
    return compare(options)


if __name__ == "__main__":
    sys.exit(main())
