#!/usr/bin/env python3
"""Compares Adze with onnxruntime on random models, and says where they differ.

    scripts/differential.py --seconds 60                        # all operators, all opsets
    scripts/differential.py --operators Clip,Pad --opset 9-11 --seed 7
    scripts/differential.py --graphs --seconds 120              # chains of operators, for passes and fusions

Each case is a folder of ONNX's backend tests, made from its seed alone; `adze verify` runs all of a round in one
process. The reference is onnxruntime without its graph optimizations, and onnx's reference evaluator where
onnxruntime lacks the operator or type. Needs numpy, onnx and onnxruntime (`scripts/venv`).
"""

import argparse
import collections
import itertools
import multiprocessing
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
# Floats as in ONNX's own tests; with the steps of the type where 16-bit floats take part, or float32 stands in for
# float64.
TOLERANCES = {"exact": [], "half": ["--relative-tolerance", "0.016", "--absolute-tolerance", "0.002"]}
ADZE = pathlib.Path(os.environ.get("ADZE", pathlib.Path(__file__).parent.parent / ".build/release/adze"))


def write_cases(indices, options, root, report):
    """Makes the cases of `indices`; runs in a process of its own, because references may crash."""
    from differential_cases import cases

    for index in indices:
        report.send(index)
        made = cases.make(f"{options.seed}:{index}", options)
        if made is None:
            continue
        for group in made.groups():
            made.write(pathlib.Path(root) / group / f"{index:06d}")
        report.send((index, made.title, made.reference))
    report.send(None)
    report.close()


def make_round(start, options, root):
    """Writes one round of cases; returns {index: (title, reference)}."""
    titles, todo = {}, list(range(start, start + options.round))
    while todo:
        receiver, sender = multiprocessing.Pipe(False)
        worker = multiprocessing.Process(target=write_cases, args=(todo, options, str(root), sender))
        worker.start()
        sender.close()
        last = todo[0]
        try:
            while receiver.poll(60):
                message = receiver.recv()
                if message is None:
                    last = None
                    break
                if isinstance(message, tuple):
                    titles[message[0]] = message[1:]
                else:
                    last = message
        except EOFError:
            pass
        worker.kill()
        worker.join()
        if last is None:
            break
        print(f"the reference died on case {options.seed}:{last}", file=sys.stderr)
        todo = [i for i in todo if i > last]
    return titles


def verify(folder, flags):
    """Lines of `adze verify`: {index: message}. A crash or hang is narrowed down to its case."""
    cases = sorted(p for p in folder.iterdir()) if folder.is_dir() else []
    return verify_cases(cases, flags)


def verify_cases(cases, flags):
    if not cases:
        return {}
    command = [str(ADZE), "verify", *flags, *map(str, cases)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30 + len(cases))
        code, output, errors = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        code, output, errors = "hang", "", ""
    if code in (0, 1) and " passed, " in output:
        found = {}
        for line in output.splitlines():
            match = re.match(r"(\d+)/test_data_set_\d+: (.*)", line)
            if match:
                found.setdefault(int(match[1]), match[2])
        return found
    if len(cases) == 1:
        return {int(cases[0].name): f"CRASH or hang, exit {code}: {errors[-300:].strip()}"}
    middle = len(cases) // 2
    return verify_cases(cases[:middle], flags) | verify_cases(cases[middle:], flags)


def kind_of(message):
    """The message without its numbers, so that like failures count together."""
    return re.sub(r"-?\b[\d.]+(e[+-]?\d+)?\b|\bnan\b|-?\binf\b", "#", message)[:160]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", default="1")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, help="so many rounds instead of seconds")
    parser.add_argument("--operators", help="names, separated by commas; default: all")
    parser.add_argument("--opset", default="7-25", help="one opset or a range")
    parser.add_argument("--graphs", action="store_true", help="chains of operators instead of single nodes")
    parser.add_argument("--round", type=int, default=1000, help="cases in one run of adze")
    parser.add_argument("--start", type=int, default=0, help="the first case")
    parser.add_argument("--known", action="store_true", help="show known differences too")
    parser.add_argument("--keep", default="/tmp/adze-differential", help="where failing cases stay")
    options = parser.parse_args()
    from differential_cases import known

    root = pathlib.Path(options.keep)
    shutil.rmtree(root, ignore_errors=True)
    end, start = time.monotonic() + options.seconds, options.start
    total, excused, failures, references = 0, 0, collections.defaultdict(list), collections.Counter()
    for number in itertools.count():
        if number == options.rounds or (options.rounds is None and time.monotonic() >= end):
            break
        titles = make_round(start, options, root / "round")
        messages = {}
        for group, flags in TOLERANCES.items():
            messages |= verify(root / "round" / group, flags)
        total += len(titles)
        references.update(reference for _, reference in titles.values())
        for index, message in messages.items():
            title, reference = titles[index]
            if not options.known and known.reason(title, message):
                excused += 1
                continue
            failures[(title.split(" ")[0], kind_of(message))].append((index, title, reference, message))
            source = next((root / "round").glob(f"*/{index:06d}"))
            shutil.copytree(source, root / f"{index:06d}", dirs_exist_ok=True)
        shutil.rmtree(root / "round", ignore_errors=True)
        start += options.round
    for (operator, kind), found in sorted(failures.items()):
        index, title, reference, message = found[0]
        print(f"{len(found):4} × {title}\n       {message}\n       {root}/{index:06d} ({reference})")
    count = sum(map(len, failures.values()))
    print(f"references: {dict(references)}")
    print(f"{total - count - excused} passed, {excused} known differences, {count} failed, seed {options.seed}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
