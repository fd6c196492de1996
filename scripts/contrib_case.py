"""What a comparison of one operator consists of, and random numbers for it."""
import dataclasses

import numpy as np


@dataclasses.dataclass
class Case:
    name: str
    op: str
    inputs: list
    attributes: dict = dataclasses.field(default_factory=dict)
    outputs: tuple = (0,)
    #: Inputs that are initializers.
    constants: tuple = ()
    domain: str = "com.microsoft"
    opset: int = 18
    #: In parts of the output's scale, or in integer steps.
    tolerance: float = 1e-5
    is_dynamic: bool = False
    #: Outputs that are compared; all unless given.
    compared: tuple = None
    #: Where onnxruntime's CPU build has no kernel: what numpy computes.
    expected: list = None


random = np.random.default_rng(7)


def f32(*shape, scale=1.0):
    return (random.standard_normal(shape) * scale).astype(np.float32)


def u8(*shape):
    return random.integers(0, 256, shape).astype(np.uint8)


def i8(*shape):
    return random.integers(-128, 128, shape).astype(np.int8)


def scalar(value, kind=np.float32):
    return np.array(value, kind)


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return (powers / powers.sum(-1, keepdims=True)).astype(np.float32)
