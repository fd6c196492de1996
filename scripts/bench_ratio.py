#!/usr/bin/env python3
"""Speed of Adze beside onnxruntime on this machine: the ratio of their rows per second.

usage: scripts/bench_ratio.py MODEL [--batch 32] [--threads 1] [--rounds 7] [--seconds 1] [--dim name=N] [--minimum R]

Runs `.build/release/adze bench MODEL --json` and onnxruntime in turn, several rounds, so that a slow moment of the
machine hits both; each round's figure is batch / median latency, the printed one the median of the rounds.
onnxruntime runs in its own process with bound inputs and outputs, all graph optimisations on, and as many threads;
`--peer openvino` takes OpenVINO in its place. Makes .venv-bench with both when it is missing. With --minimum the exit
status is 1 when the ratio is below it.
"""
import argparse
import statistics
import sys

import peers


def compare(options):
    work = peers.work_of(options)
    ours, theirs = [], []
    try:
        for _ in range(options.rounds):
            ours.append(peers.measured("adze", work))
            theirs.append(peers.measured(options.peer, work))
    except peers.CannotRun as error:
        sys.exit(str(error))
    print(f"{work.model}: batch {work.batch}, {work.threads} threads, {options.rounds} rounds")
    for name, rounds in ((f"adze {ours[0]['version']}", ours), (f"{options.peer} {theirs[0]['version']}", theirs)):
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
    parser = argparse.ArgumentParser(description="Adze's rows per second over another engine's, measured in turn.")
    peers.add_options(parser)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peer", choices=peers.PEERS, default="onnxruntime")
    parser.add_argument("--minimum", type=float, help="fail when the ratio is below this")
    return compare(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
