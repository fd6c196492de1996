#!/usr/bin/env python3
"""Trains the two bundled digit classifiers and writes them with their datasets under config/.

usage: scripts/make_digits.py            (needs only python3 with venv; makes .venv-digits by itself)

digits      64-256-128-10 MLP by scikit-learn, input `pixels` [batch, 64]
digits-cnn  two 3x3 convolutions with batch normalisation, input `image` [batch, 1, 8, 8]
Both give `logits` [batch, 10]. The data are scikit-learn's 1,797 handwritten digits, pixels scaled to 0...1,
60/40 split with seed 0: digits-train.npz and digits-test.npz hold `pixels`, `image` and `labels`.
"""
from pathlib import Path

import environment

ROOT = Path(__file__).resolve().parent.parent

environment.enter(".venv-digits", ["numpy==2.4.6", "scikit-learn==1.7.2", "onnx==1.22.0"])

import numpy as np  # noqa: E402
from onnx import TensorProto, checker, helper, numpy_helper, save  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402


def load_split():
    x, y = load_digits(return_X_y=True)
    return train_test_split((x / 16).astype(np.float64), y, test_size=0.4, random_state=0, stratify=y)


def accuracy(logits, labels):
    return 100 * float((logits.argmax(1) == labels).mean())


def write_model(name, nodes, weights, input_name, input_shape):
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["batch", *input_shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(np.ascontiguousarray(w, np.float32), n) for n, w in weights.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="scripts/make_digits.py"
    )
    checker.check_model(model, full_check=True)
    path = ROOT / "config" / "models" / name / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    save(model, path)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


def make_mlp(xtr, ytr, xte, yte):
    mlp = MLPClassifier((256, 128), max_iter=200, random_state=0, alpha=1e-4).fit(xtr, ytr)
    weights, nodes, value = {}, [], "pixels"
    for i, (w, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_), start=1):
        weights[f"fc{i}.weight"], weights[f"fc{i}.bias"] = w, b
        last = i == len(mlp.coefs_)
        out = "logits" if last else f"fc{i}"
        nodes.append(helper.make_node("Gemm", [value, f"fc{i}.weight", f"fc{i}.bias"], [out], name=f"fc{i}"))
        value = out
        if not last:
            nodes.append(helper.make_node("Relu", [out], [f"relu{i}"], name=f"relu{i}"))
            value = f"relu{i}"
    write_model("digits", nodes, weights, "pixels", [64])
    print(f"digits: {100 * mlp.score(xte, yte):.2f} % of {len(yte)} test samples")


class Conv:
    """3x3 convolution with padding 1, without bias: batch normalisation follows and has one."""

    def __init__(self, rng, channels_in, channels_out):
        self.w = rng.normal(0, np.sqrt(2 / (9 * channels_in)), (channels_out, channels_in, 3, 3))

    def patches(self, x):
        n, c, h, w = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        views = [padded[:, :, i : i + h, j : j + w] for i in range(3) for j in range(3)]
        return np.stack(views, 2).reshape(n, c * 9, h * w)

    def forward(self, x):
        self.shape, self.columns = x.shape, self.patches(x)
        out = np.einsum("ok,nkp->nop", self.w.reshape(len(self.w), -1), self.columns, optimize=True)
        return out.reshape(x.shape[0], -1, *x.shape[2:])

    def backward(self, grad):
        n, c, h, w = self.shape
        flat = grad.reshape(n, grad.shape[1], -1)
        self.dw = np.einsum("nop,nkp->ok", flat, self.columns, optimize=True).reshape(self.w.shape)
        columns = np.einsum("ok,nop->nkp", self.w.reshape(len(self.w), -1), flat, optimize=True)
        columns = columns.reshape(n, c, 9, h, w)
        padded = np.zeros((n, c, h + 2, w + 2))
        for k in range(9):
            padded[:, :, k // 3 : k // 3 + h, k % 3 : k % 3 + w] += columns[:, :, k]
        return padded[:, :, 1:-1, 1:-1]

    def parameters(self):
        return [("w", "dw")]


class BatchNorm:
    def __init__(self, channels):
        self.g, self.b = np.ones(channels), np.zeros(channels)
        self.mean, self.var, self.epsilon = np.zeros(channels), np.ones(channels), 1e-5

    def forward(self, x, training):
        if training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
            self.mean, self.var = 0.9 * self.mean + 0.1 * mean, 0.9 * self.var + 0.1 * var
        else:
            mean, var = self.mean, self.var
        self.scale = 1 / np.sqrt(var + self.epsilon)
        self.hat = (x - mean[:, None, None]) * self.scale[:, None, None]
        return self.hat * self.g[:, None, None] + self.b[:, None, None]

    def backward(self, grad):
        self.dg, self.db = (grad * self.hat).sum((0, 2, 3)), grad.sum((0, 2, 3))
        count = grad.shape[0] * grad.shape[2] * grad.shape[3]
        inner = grad - (self.db / count)[:, None, None] - self.hat * (self.dg / count)[:, None, None]
        return inner * (self.g * self.scale)[:, None, None]

    def parameters(self):
        return [("g", "dg"), ("b", "db")]


def relu_pool(x):
    """Relu, then 2x2 maximum pooling; returns the result and the mask that gradients pass through."""
    n, c, h, w = x.shape
    x = np.maximum(x, 0).reshape(n, c, h // 2, 2, w // 2, 2)
    out = x.max((3, 5))
    mask = (x == out[:, :, :, None, :, None]) & (x > 0)
    return out, mask


def unpool(grad, mask):
    n, c, h, _, w, _ = mask.shape
    return (grad[:, :, :, None, :, None] * mask).reshape(n, c, h * 2, w * 2)


class Dense:
    def __init__(self, rng, inputs, outputs):
        self.w, self.b = rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs)), np.zeros(outputs)

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, grad):
        self.dw, self.db = self.x.T @ grad, grad.sum(0)
        return grad @ self.w.T

    def parameters(self):
        return [("w", "dw"), ("b", "db")]


class Network:
    def __init__(self, rng):
        self.conv1, self.norm1 = Conv(rng, 1, 16), BatchNorm(16)
        self.conv2, self.norm2 = Conv(rng, 16, 32), BatchNorm(32)
        self.fc = Dense(rng, 32 * 2 * 2, 10)
        self.layers = [self.conv1, self.norm1, self.conv2, self.norm2, self.fc]

    def forward(self, x, training=False):
        x, self.mask1 = relu_pool(self.norm1.forward(self.conv1.forward(x), training))
        x, self.mask2 = relu_pool(self.norm2.forward(self.conv2.forward(x), training))
        return self.fc.forward(x.reshape(len(x), -1))

    def backward(self, grad):
        grad = self.fc.backward(grad).reshape(len(grad), 32, 2, 2)
        grad = self.conv2.backward(self.norm2.backward(unpool(grad, self.mask2)))
        self.conv1.backward(self.norm1.backward(unpool(grad, self.mask1)))


def train(network, rng, x, y, epochs=40, batch=64, rate=3e-3):
    """Adam with a cosine schedule; images are shifted by up to one pixel."""
    slots = [(layer, name, grad) for layer in network.layers for name, grad in layer.parameters()]
    moments = [(np.zeros_like(getattr(l, n)), np.zeros_like(getattr(l, n))) for l, n, _ in slots]
    steps = epochs * (len(x) // batch)
    for step in range(1, steps + 1):
        rows = rng.choice(len(x), batch, replace=False)
        shift = rng.integers(-1, 2, 2)
        images = np.roll(x[rows], shift, (2, 3))
        logits = network.forward(images, training=True)
        probability = np.exp(logits - logits.max(1, keepdims=True))
        probability /= probability.sum(1, keepdims=True)
        probability[np.arange(batch), y[rows]] -= 1
        network.backward(probability / batch)
        now = rate * 0.5 * (1 + np.cos(np.pi * step / steps))
        for (layer, name, grad_name), (m, v) in zip(slots, moments):
            grad = getattr(layer, grad_name)
            m += 0.1 * (grad - m)
            v += 0.001 * (grad**2 - v)
            change = (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
            setattr(layer, name, getattr(layer, name) - now * change)


def make_cnn(xtr, ytr, xte, yte):
    rng = np.random.default_rng(0)
    network = Network(rng)
    train(network, rng, xtr.reshape(-1, 1, 8, 8), ytr)
    weights, nodes, value = {}, [], "image"
    for i, (conv, norm) in enumerate([(network.conv1, network.norm1), (network.conv2, network.norm2)], start=1):
        weights[f"conv{i}.weight"] = conv.w
        names = [f"norm{i}.{n}" for n in ("weight", "bias", "mean", "variance")]
        weights |= dict(zip(names, [norm.g, norm.b, norm.mean, norm.var]))
        nodes += [
            helper.make_node(
                "Conv", [value, f"conv{i}.weight"], [f"conv{i}"], name=f"conv{i}", kernel_shape=[3, 3], pads=[1] * 4
            ),
            helper.make_node(
                "BatchNormalization", [f"conv{i}", *names], [f"norm{i}"], name=f"norm{i}", epsilon=norm.epsilon
            ),
            helper.make_node("Relu", [f"norm{i}"], [f"relu{i}"], name=f"relu{i}"),
            helper.make_node(
                "MaxPool", [f"relu{i}"], [f"pool{i}"], name=f"pool{i}", kernel_shape=[2, 2], strides=[2, 2]
            ),
        ]
        value = f"pool{i}"
    weights |= {"fc.weight": network.fc.w, "fc.bias": network.fc.b}
    nodes += [
        helper.make_node("Flatten", [value], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"], name="fc"),
    ]
    write_model("digits-cnn", nodes, weights, "image", [1, 8, 8])
    print(f"digits-cnn: {accuracy(network.forward(xte.reshape(-1, 1, 8, 8)), yte):.2f} % of {len(yte)} test samples")


def write_datasets(xtr, xte, ytr, yte):
    folder = ROOT / "config" / "datasets"
    folder.mkdir(parents=True, exist_ok=True)
    for name, x, y in (("digits-train", xtr, ytr), ("digits-test", xte, yte)):
        path = folder / f"{name}.npz"
        pixels = x.astype(np.float32)
        np.savez_compressed(path, pixels=pixels, image=pixels.reshape(-1, 1, 8, 8), labels=y.astype(np.int64))
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes, {len(y)} rows")


def main():
    xtr, xte, ytr, yte = load_split()
    write_datasets(xtr, xte, ytr, yte)
    make_mlp(xtr, ytr, xte, yte)
    make_cnn(xtr, ytr, xte, yte)


main()
