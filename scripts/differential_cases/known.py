"""Differences from the reference in which Adze follows the ONNX specification and the reference does not."""

import re

# (pattern of the case's title, pattern of adze's message, reason)
DIFFERENCES = [
    (
        r"^ConvTranspose .*auto_pad=SAME",
        r"has shape",
        "the output is input × stride, as the specification and onnx's shape inference say; onnxruntime's is smaller "
        "when the kernel is smaller than the stride",
    ),
    (
        r"^Resize .*align_corners.*mode=linear|^Resize .*align_corners",
        r"element",
        "lengths are input × scale, not rounded, as in onnx's test_resize_downsample_scales_linear_align_corners, "
        "which onnxruntime fails",
    ),
    (
        r"^AffineGrid .*align_corners=1",
        r"element",
        "the one place of an axis of length 1 is its middle (0), as in PyTorch; onnxruntime takes its end",
    ),
    (
        r"^StringSplit ",
        r"output 1: differs|has shape",
        "an empty string splits into one empty string, as in onnx's reference; onnxruntime counts none",
    ),
    (
        r"^Unique .*sorted=0",
        r"differs|element",
        "elements come in the order of their first occurrence; onnx's reference sorts them when there is an axis",
    ),
    (
        r"^Cast .* to=8|^CastLike .* string",
        r"string elements",
        "numbers are written as short as they can be read back, as numpy does; onnxruntime writes eight digits",
    ),
    (r"^LpPool .*VALID", r"does not fit", "a window larger than the input is an error"),
    (
        r"^Dropout opset ([789]|1[01]) ",
        r"output 1",
        "outside training the mask keeps everything; before opset 12 onnxruntime's is all false",
    ),
    (r"^Clip ", r"is -?inf", "the default limits, the ends of float32, are taken as no limit"),
    (r"Window .*periodic=0", r"", "a symmetric window of one place is 1; the function of the standard divides by 0"),
    (r"^ReduceMean ", r"-?nan, expected 0|differs", "the mean of nothing is not a number"),
    (
        r"^(Lp|Max|Average)Pool .*SAME",
        r"element",
        "no padding is negative when the kernel is smaller than the stride",
    ),
    (r"^QuantizeLinear .*saturate=0", r"float4", "saturate is for 8-bit floats"),
    (r"^Resize .*(int|uint)8?.*antialias", r"differs", "antialiased integers: onnxruntime rounds between the axes"),
    (r"^(RNN|GRU|LSTM) .*layout=1", r"", "onnx's reference mixes up the axes of layout 1; onnxruntime has none"),
    (
        r"^(GlobalMaxPool|QLinearConv) ",
        r"has shape",
        "onnx's reference takes the first channels for spatial axes, and leaves out auto_pad",
    ),
    (r"^ReduceLogSumExp .*int", r"differs", "the integer part of a rounded logarithm"),
    (
        r"^Attention .*is_causal=1",
        r"element",
        "the causal mask starts at the upper left corner, as the specification says; onnxruntime aligns the lower "
        "right corner when lengths differ",
    ),
    (
        r"^Attention .*qk_matmul_output_mode=2",
        r"output 3: element",
        "mode 2 is after the soft cap and before the mask, as in onnx's reference",
    ),
    (r"^Dropout .* (float|double|float16|bfloat16)\[[^ ]* bool", r"", "a random mask cannot be compared"),
    (r"^Gather .*string", r"string elements", "onnxruntime loses strings behind a scalar index"),
    (r"^GridSample .* (int|uint)", r"differs", "onnx's reference makes integers of the weights"),
    (r"^(Cast|CastLike) .*(uint4|int4|uint2|int2|to=2[1256])", r"(int4|int2) elements", "out of range is undefined"),
    (r"^Erf .* (int|uint)", r"differs", "the integer part of a number next to 1"),
    (r"^(QLinearMatMul|QuantizeLinear) .*float16", r"differs", "scales are not rounded to 16 bits on the way"),
    (
        r"^RMSNormalization ",
        r"is declared",
        "the result has the type of the scale; onnx's inference says the input's",
    ),
    (
        r"^Reduce(LogSum|Mean|LogSumExp) .*(int|uint).*,0|^Reduce(LogSum|Mean|LogSumExp) .*\[0",
        r"differs",
        "an infinity or a number that is none, as an integer",
    ),
    (
        r"^(RNN|GRU|LSTM|Attention) .*double",
        r"is not supported for float64",
        "a limit: float64 is not computed there",
    ),
    (
        r"^(Upsample|Resize) .* u?int\d+\[.*mode=(linear|cubic)|^(Upsample|Resize) .*int.*mode=linear",
        r"differs",
        "interpolated integers are cut; a sum next to a whole number may fall on either side of it",
    ),
]


def is_one_step(message):
    """Whether a quantized result is off by the step of its scale: a sum that lies half-way between two."""
    match = re.search(r"is (-?[\d.e-]+), expected (-?[\d.e-]+)$", message)
    return bool(match) and abs(float(match[1]) - float(match[2])) <= 0.04


def reason(title, message):
    if title.startswith("graph") and "quantiz" in title and is_one_step(message):
        return "rounding of a half-way value depends on the order of additions"
    for in_title, in_message, why in DIFFERENCES:
        if re.search(in_title, title) and re.search(in_message, message):
            return why
    return None
