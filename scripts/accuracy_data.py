"""Calibration and test data of the accuracy tables: made here from a seed, or from what Python itself brings along.

Each function gives a `Data`: arrays for `adze compress` and onnxruntime, and how outputs are judged.
"""
import ast
import codecs
import contextlib
import io
import os
import random
import re
import string
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from environment import ROOT

RATE = 16000


@dataclass
class Data:
    """Named arrays with rows on the first axis. `labels` belong to `test` when there are any."""

    calibration: dict
    test: dict
    # What the judge of the case needs beside the outputs: words, classes.
    truth: object = None
    # An extra leading axis that the model does not have: it is called with one row after another.
    is_single: bool = False

    def write(self, folder, samples=None):
        """calibration.npz and test.npz in `folder`; `samples`: at most so many rows of each."""
        paths = []
        for name, arrays in (("calibration", self.calibration), ("test", self.test)):
            path = Path(folder) / f"{name}.npz"
            np.savez(path, **{key: array[:samples] for key, array in arrays.items()})
            paths.append(path)
        return paths


# MARK: digits


def digits(name):
    """The bundled digits for `pixels` (the MLP) or `image` (the CNN)."""

    def arrays(file):
        with np.load(ROOT / "config" / "datasets" / f"{file}.npz") as loaded:
            return {name: loaded[name], "labels": loaded["labels"]}

    test = arrays("digits-test")
    return Data({name: arrays("digits-train")[name]}, test, test["labels"])


# MARK: words


def words(name, characters, calibration=30, test=60):
    """Words with two figures behind them, drawn with Pillow's own font on grey: `[1, 3, 48, 320]` each, -1 … 1.

    `characters`: those of the recogniser, for decoding. Texts and images come from one seed.
    """
    texts, images = _drawn_words(calibration + test)
    truth = (["", *characters, " "], texts[calibration:])
    return Data({name: images[:calibration]}, {name: images[calibration:]}, truth)


def pages(name, calibration=8, test=8):
    """Three drawn words below each other: `[1, 3, 160, 320]` each, normalised as detectors of text want it."""
    _, images = _drawn_words(3 * (calibration + test))
    lines = np.pad((images + 1) / 2, ((0, 0), (0, 0), (3, 2), (0, 0)), constant_values=0.9)
    made = np.concatenate([lines[0::3], lines[1::3], lines[2::3]], axis=2)
    made = np.pad(made, ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=0.9)
    made = ((made - 0.45) / 0.225).astype(np.float32)
    return Data({name: made[:calibration]}, {name: made[calibration:]})


def turned(name, calibration=8, test=8, width=192):
    """The starts of drawn words, every other one upside down: `[1, 3, 48, width]` each."""
    _, images = _drawn_words(calibration + test)
    made = np.ascontiguousarray(images[..., :width])
    made[1::2] = made[1::2, :, ::-1, ::-1].copy()
    return Data({name: made[:calibration]}, {name: made[calibration:]})


def _drawn_words(count):
    from PIL import Image

    with contextlib.redirect_stdout(io.StringIO()):
        import this

    source = random.Random(7)
    text = codecs.decode(this.s, "rot13") + " ".join(m.__doc__ or "" for m in (random, string, os, np, Image))
    known = sorted(set(re.findall("[A-Za-z]{5,11}", text)))
    texts = [source.choice(known) + str(source.randint(10, 99)) for _ in range(count)]
    return texts, np.concatenate([_drawn(word, index, source) for index, word in enumerate(texts)])


def _drawn(word, index, source):
    from PIL import Image, ImageDraw, ImageFont

    # The order of the draws is part of the data.
    font = ImageFont.load_default(size=source.randint(32, 38))
    image = Image.new("RGB", (320, 48), (source.randint(200, 255),) * 3)
    place = (source.randint(4, 20), source.randint(0, 4))
    ImageDraw.Draw(image).text(place, word, fill=(source.randint(0, 80),) * 3, font=font)
    noisy = np.asarray(image, np.float32) + np.random.default_rng(index).normal(0, 4, (48, 320, 3))
    return ((noisy / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None].astype(np.float32)


def decoded(scores, characters):
    """The text of one row of CTC scores `[positions, characters]`: repeats and blanks fall away."""
    best, previous, text = scores.argmax(-1), 0, []
    for index in best:
        if index != 0 and index != previous:
            text.append(characters[index])
        previous = index
    return "".join(text).strip()


def edits(left, right):
    """The Levenshtein distance."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


def read_words(scores, truth):
    """How many words are read exactly, and the character error rate. `scores`: `[rows, positions, characters]`."""
    characters, texts = truth
    read = [decoded(row, characters) for row in scores]
    exact = sum(a == b for a, b in zip(read, texts))
    return exact, sum(map(edits, read, texts)) / sum(map(len, texts))


# MARK: speech


# The recurrent inputs, with the shapes that they start from; the outputs behind the first one follow their order.
STATES = {"state": (2, 1, 128), "h": (1, 1, 128), "c": (1, 1, 128)}


def speech(inputs, run, streams=6, windows=32, length=512, context=64):
    """Windows of made-up speech and noise with the recurrent states that the original reaches in them.

    `inputs`: the model's names. `run(arrays)` gives the original's outputs. A window has the end of the one before it
    in front. Half of the streams are for calibration.
    """
    halves = []
    for half in range(2):
        rows = {name: [] for name in inputs}
        for stream in range(streams // 2):
            sound = np.pad(voice(half * 100 + stream, length * windows), (context, 0))
            states = {name: np.zeros(shape, np.float32) for name, shape in STATES.items() if name in inputs}
            for start in range(0, length * windows, length):
                window = sound[None, start : start + context + length]
                case = {"input": window, "sr": np.array(RATE, np.int64), **states}
                case = {name: case[name] for name in inputs}
                for name, array in case.items():
                    rows[name].append(array)
                states = dict(zip(states, run(case)[1:]))
        halves.append({name: np.stack(arrays) for name, arrays in rows.items()})
    return Data(*halves, is_single=True)


def voice(seed, samples):
    """Voiced segments between pauses: a train of glottal pulses through three formants, noise at -5 … 20 dB."""
    generator = np.random.default_rng(seed)
    sound = np.zeros(samples)
    position = int(generator.integers(0, RATE // 4))
    while position < samples:
        length = int(generator.integers(RATE // 8, RATE // 2))
        segment = _vowel(generator, length)[: samples - position]
        sound[position : position + segment.size] = segment
        position += length + int(generator.integers(RATE // 10, RATE // 2))
    power = np.mean(sound**2) or 1.0
    noise = generator.normal(size=samples)
    level = np.sqrt(power / 10 ** (generator.uniform(-5, 20) / 10))
    mixed = sound + noise * level
    return (0.3 * mixed / np.abs(mixed).max()).astype(np.float32)


def _vowel(generator, samples):
    pitch = generator.uniform(90, 220) * (1 + 0.1 * np.sin(np.linspace(0, np.pi, samples)))
    phase = np.cumsum(pitch / RATE)
    pulses = np.diff(np.floor(phase), prepend=0.0)
    sound = pulses
    for low, high, width in ((300, 800, 80), (900, 2200, 110), (2300, 3000, 160)):
        sound = _resonated(sound, generator.uniform(low, high), width)
    envelope = np.hanning(samples)
    return sound / (np.abs(sound).max() + 1e-9) * envelope


def _resonated(sound, frequency, width):
    """A resonance of two poles, as a finite response."""
    radius = np.exp(-np.pi * width / RATE)
    n = np.arange(800)
    angle = 2 * np.pi * frequency / RATE
    response = radius**n * np.sin((n + 1) * angle) / np.sin(angle)
    return np.convolve(sound, response)[: sound.size]


# MARK: sentences


def sentences(encode, calibration=64, test=256, tokens=64):
    """First sentences of docstrings of the standard library. `encode(texts, tokens)` gives the model's inputs."""
    found = docstrings(calibration + test)
    return Data(encode(found[:calibration], tokens), encode(found[calibration:], tokens))


def docstrings(count):
    """`count` different sentences in a seeded order."""
    folder, found = Path(sysconfig.get_path("stdlib")), set()
    for path in sorted(folder.glob("*.py")) + sorted(folder.glob("*/*.py")):
        if {"site-packages", "test", "idlelib", "lib2to3"} & set(path.parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                first = (ast.get_docstring(node) or "").split("\n\n")[0].split(". ")[0]
                first = " ".join(first.split())
                if 30 <= len(first) <= 200:
                    found.add(first)
    texts = sorted(found)
    random.Random(0).shuffle(texts)
    if len(texts) < count:
        raise SystemExit(f"{folder} has {len(texts)} sentences, {count} are needed")
    return texts[:count]


def ranks_agree(reference, candidate, best=10):
    """Mean cosine of rows, the share of each row's `best` nearest others that stay, and Spearman's correlation of
    all similarities."""

    def unit(rows):
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

    left, right = unit(np.asarray(reference, np.float64)), unit(np.asarray(candidate, np.float64))
    cosine = float((left * right).sum(1).mean())
    others = ~np.eye(len(left), dtype=bool)
    first, second = (left @ left.T, right @ right.T)
    near = [np.argsort(np.where(others, -s, np.inf), axis=1, kind="stable")[:, :best] for s in (first, second)]
    recall = np.mean([len(set(a) & set(b)) / best for a, b in zip(*near)])
    return cosine, float(recall), spearman(first[others], second[others])


def spearman(left, right):
    """The correlation of ranks; equal values share the mean of theirs."""

    def ranks(values):
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        last = np.cumsum(counts)
        return (last - (counts - 1) / 2)[inverse]

    return float(np.corrcoef(ranks(left), ranks(right))[0, 1])


# MARK: images


def images(name, calibration=32, test=32, size=224):
    """Noise with the spectrum of pictures (amplitude falls with frequency), mean 0 and deviation 1."""
    generator = np.random.default_rng(11)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = 1 / size
    made = []
    for _ in range(calibration + test):
        spectrum = np.fft.rfft2(generator.normal(size=(3, size, size))) / frequency
        # What the channels share is most of a picture.
        spectrum = 0.8 * spectrum.mean(0, keepdims=True) + 0.2 * spectrum
        picture = np.fft.irfft2(spectrum, (size, size))
        made.append((picture - picture.mean()) / picture.std())
    made = np.stack(made).astype(np.float32)
    return Data({name: made[:calibration]}, {name: made[calibration:]})


def sqnr(reference, candidate):
    """Signal to noise in dB; infinite for equal outputs."""
    noise = np.linalg.norm(np.asarray(reference, np.float64) - candidate)
    return np.inf if noise == 0 else 20 * np.log10(np.linalg.norm(reference) / noise)
