// Products of bytes in plain C.

/// acc + the four products of each word, a unsigned and b signed bytes.
HELPER vi dot_4(vi acc, vi a, vi b) {
  for (int j = 0; j < 4; j++) {
    const vi x = vi_and(vi_shift_right(a, 8 * j), vi_set1(255)), y = vi_shift_right(vi_shift_left(b, 24 - 8 * j), 24);
    acc = vi_add(acc, vi_mul(x, y));
  }
  return acc;
}
