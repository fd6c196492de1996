"""Random single-node models of the contrib operators for attention."""
import numpy as np
from contrib_case import Case, f32, softmax


def cases():
    for group in (attentions, grouped, relative_biases):
        yield from group()


def attend(q, k, v):
    """Of [batch, length, heads, size]."""
    scores = np.einsum("blnh,bknh->bnlk", q, k) / np.sqrt(q.shape[-1])
    return np.einsum("bnlk,bknh->blnh", softmax(scores), v).reshape(*q.shape[:2], -1).astype(np.float32)


def attentions():
    heads, size, batch, length = 2, 4, 2, 5
    hidden = heads * size
    weights, bias = f32(hidden, 3 * hidden, scale=0.5), f32(3 * hidden)
    x = f32(batch, length, hidden)
    full = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], np.int32)
    masks = {
        "no mask": None, "lengths": np.array([4, 2], np.int32), "ends and starts": np.array([5, 4, 1, 0], np.int32),
        "keys": full, "queries and keys": np.tril(np.ones((batch, length, length), np.int32)),
    }
    for name, mask in masks.items():
        for causal in (0, 1):
            yield Case(f"{name}, unidirectional {causal}", "Attention", [x, weights, bias, mask],
                       {"num_heads": heads, "unidirectional": causal}, constants=(1, 2))
    yield Case("nothing visible", "Attention", [x, weights, bias, np.zeros((batch, length), np.int32)],
               {"num_heads": heads}, constants=(1, 2), tolerance=1e-3)
    past = f32(2, batch, heads, 3, size)
    yield Case("past", "Attention", [x, weights, bias, None, past], {"num_heads": heads, "unidirectional": 1},
               outputs=(0, 1), constants=(1, 2))
    yield Case("past and mask", "Attention",
               [x, weights, bias, np.array([[1] * 8, [0, 0] + [1] * 6], np.int32), past],
               {"num_heads": heads, "unidirectional": 1}, outputs=(0, 1), constants=(1, 2))
    yield Case("bias", "Attention", [x, weights, bias, full, None, f32(1, heads, length, length)],
               {"num_heads": heads, "scale": 0.3}, constants=(1, 2))
    yield Case("sizes", "Attention", [x, f32(hidden, 2 * hidden + 6), f32(2 * hidden + 6)],
               {"num_heads": heads, "qkv_hidden_sizes": [hidden, hidden, 6]}, constants=(1, 2))
    yield from multi_head(heads, size, batch, length, bias)
    yield from rotations(heads, size, batch, length)


def multi_head(heads, size, batch, length, bias):
    hidden = heads * size
    q, k, v = f32(batch, length, hidden), f32(batch, 6, hidden), f32(batch, 6, hidden)
    long_mask = np.array([[1] * 6, [1, 1, 1, 0, 0, 0]], np.int32)
    yield Case("cross", "MultiHeadAttention", [q, k, v], {"num_heads": heads})
    yield Case("all", "MultiHeadAttention", [q, k, v, bias, long_mask, f32(batch, heads, length, 6)],
               {"num_heads": heads}, constants=(3,))
    yield Case("dynamic", "MultiHeadAttention", [q, k, v, None, np.array([6, 3], np.int32)], {"num_heads": heads})
    yield Case("unidirectional", "MultiHeadAttention", [q, q + 1, q - 1], {"num_heads": heads, "unidirectional": 1})
    both, pair = f32(batch, length, heads, 3, size), f32(batch, 6, heads, 2, size)
    yield Case("numpy, packed", "MultiHeadAttention", [both], {"num_heads": heads},
               expected=[attend(both[:, :, :, 0], both[:, :, :, 1], both[:, :, :, 2])])
    yield Case("numpy, packed keys", "MultiHeadAttention", [q, pair], {"num_heads": heads},
               expected=[attend(q.reshape(batch, length, heads, size), pair[:, :, :, 0], pair[:, :, :, 1])])
    yield Case("cached keys", "MultiHeadAttention", [q, f32(batch, heads, 6, size), f32(batch, heads, 6, size)],
               {"num_heads": heads})
    yield Case("past", "MultiHeadAttention",
               [q, f32(batch, length, hidden), f32(batch, length, hidden), None, None, None,
                f32(batch, heads, 3, size), f32(batch, heads, 3, size)],
               {"num_heads": heads}, outputs=(0, 1, 2))
    yield Case("wide values", "MultiHeadAttention", [q, k, f32(batch, 6, 6)], {"num_heads": heads})
    one, key, value = (f32(batch, 1, heads, size) for _ in range(3))
    cached = [f32(batch, heads, 3, size) for _ in range(2)]
    keys, values = (np.concatenate([past, new.transpose(0, 2, 1, 3)], 2) for past, new in zip(cached, (key, value)))
    yield Case("numpy, past", "DecoderMaskedMultiHeadAttention",
               [new.reshape(batch, 1, hidden) for new in (one, key, value)] + [None, None] + cached,
               {"num_heads": heads}, outputs=(0, 1, 2),
               expected=[attend(one, keys.transpose(0, 2, 1, 3), values.transpose(0, 2, 1, 3)), keys, values])


def rotations(heads, size, batch, length):
    x = f32(batch, length, heads * size)
    positions = np.array([[0, 1, 2, 3, 4], [3, 4, 5, 6, 7]], np.int64)
    cosines, sines = np.cos(f32(8, size // 2)), np.sin(f32(8, size // 2))
    for interleaved in (0, 1):
        for name, ids in (("positions", positions), ("start", np.array([2], np.int64))):
            yield Case(f"{name}, interleaved {interleaved}", "RotaryEmbedding", [x, ids, cosines, sines],
                       {"interleaved": interleaved}, constants=(2, 3))
    yield Case("four axes", "RotaryEmbedding", [f32(batch, heads, length, size), positions, cosines, sines],
               constants=(2, 3))
    yield Case("part", "RotaryEmbedding", [x, positions, cosines[:, :1].copy(), sines[:, :1].copy()],
               {"num_heads": heads, "rotary_embedding_dim": 2}, constants=(2, 3))


def grouped():
    many, few, size, batch = 4, 2, 16, 2
    cosines, sines = np.cos(f32(16, size // 2)), np.sin(f32(16, size // 2))

    def attributes(**more):
        return {"num_heads": many, "kv_num_heads": few, **more}

    def total(count):
        return np.array(count, np.int32)

    length = 5
    q, k, v = f32(batch, length, many * size), f32(batch, length, few * size), f32(batch, length, few * size)
    ends = np.array([length - 1, length - 1], np.int32)
    empty = np.zeros((batch, few, 0, size), np.float32)
    for name, more in (("prompt", {}), ("softcap", {"softcap": 5.0}), ("window", {"local_window_size": 2}),
                       ("scale", {"scale": 0.2})):
        yield Case(name, "GroupQueryAttention", [q, k, v, empty, empty, ends, total(length)], attributes(**more),
                   outputs=(0, 1, 2), tolerance=3e-5)
    for interleaved in (0, 1):
        yield Case(f"rotary, interleaved {interleaved}", "GroupQueryAttention",
                   [q, k, v, empty, empty, ends, total(length), cosines, sines],
                   attributes(do_rotary=1, rotary_interleaved=interleaved), outputs=(0, 1, 2), tolerance=3e-5)
    packed = np.concatenate([q, k, v], -1)
    yield Case("packed", "GroupQueryAttention", [packed, None, None, empty, empty, ends, total(length), cosines, sines],
               attributes(do_rotary=1), outputs=(0, 1, 2), tolerance=3e-5)
    one = [f32(batch, 1, many * size), f32(batch, 1, few * size), f32(batch, 1, few * size)]
    past = [f32(batch, few, 6, size), f32(batch, few, 6, size)]
    for name, more in (("step", {}), ("step in a window", {"local_window_size": 3})):
        yield Case(name, "GroupQueryAttention",
                   one + past + [np.array([6, 6], np.int32), total(7), cosines, sines], attributes(do_rotary=1, **more),
                   outputs=(0, 1, 2), tolerance=3e-5)
    long = [f32(batch, few, 12, size), f32(batch, few, 12, size)]
    yield Case("step in a buffer, ragged", "GroupQueryAttention",
               one + long + [np.array([6, 3], np.int32), total(7), cosines, sines], attributes(do_rotary=1),
               # What lies behind the valid part of the buffer is not the same.
               outputs=(0, 1, 2), compared=(0,), tolerance=3e-5)
    yield Case("step with a bias", "GroupQueryAttention",
               one + past + [np.array([6, 6], np.int32), total(7), None, None, None, f32(batch, many, 1, 7)],
               attributes(), outputs=(0, 1, 2), tolerance=3e-5)
    yield Case("no cache", "GroupQueryAttention", [q, k, v, None, None, ends, total(length)], attributes(),
               outputs=(0, 1, 2), tolerance=3e-5)
    room = [f32(batch, few, 9, size), f32(batch, few, 9, size)]
    yield Case("prompt in a buffer", "GroupQueryAttention", [q, k, v] + room + [ends, total(length)], attributes(),
               outputs=(0, 1, 2), compared=(0,), tolerance=3e-5)
    several = [f32(1, 3, many * size), f32(1, 3, few * size), f32(1, 3, few * size)]
    yield Case("several behind a cache", "GroupQueryAttention",
               several + [f32(1, few, 4, size), f32(1, few, 4, size), np.array([6], np.int32), total(7)],
               attributes(), outputs=(0, 1, 2), tolerance=3e-5)
    yield Case("positions", "GroupQueryAttention",
               one + past + [np.array([6, 6], np.int32), total(7), cosines, sines, np.array([[6], [6]])],
               attributes(do_rotary=1), outputs=(0, 1, 2), tolerance=3e-5)
    half = [value.astype(np.float16) for value in one + past]
    yield Case("float16", "GroupQueryAttention", half + [np.array([6, 6], np.int32), total(7)], attributes(),
               outputs=(0, 1, 2), tolerance=4e-3)


def relative_biases():
    table = f32(32, 2)
    for bidirectional in (0, 1):
        relative = np.arange(6)[None, :] - np.arange(6)[:, None]
        buckets = 16 if bidirectional else 32
        base = np.where(relative > 0, buckets, 0) if bidirectional else 0
        away = np.abs(relative) if bidirectional else np.maximum(-relative, 0)
        exact = buckets // 2
        far = exact + (np.log(np.maximum(away, 1) / exact) / np.log(20 / exact) * (buckets - exact)).astype(int)
        bucket = base + np.where(away < exact, away, np.minimum(far, buckets - 1))
        yield Case(f"numpy, bidirectional {bidirectional}", "RelativePositionBias",
                   [table, np.array([6]), np.array([6])], {"max_distance": 20, "is_bidirectional": bidirectional},
                   constants=(0,), expected=[table[bucket].transpose(2, 0, 1)[None]])
