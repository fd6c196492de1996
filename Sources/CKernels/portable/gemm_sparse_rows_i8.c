#define PAIRS 0
#include "../simd/portable.h"

HELPER vi dot_4(vi acc, vi a, vi b) {
  for (int j = 0; j < 4; j++) {
    const vi x = vi_and(vi_shift_right(a, 8 * j), vi_set1(255)), y = vi_shift_right(vi_shift_left(b, 24 - 8 * j), 24);
    acc = vi_add(acc, vi_mul(x, y));
  }
  return acc;
}
HELPER void word_quads(const vi x[4], vi q[4]) {
  uint8_t bytes[4][16], words[4][16];
  memcpy(bytes, x, sizeof bytes);
  for (int i = 0; i < 16; i++) for (int j = 0; j < 4; j++) words[i / 4][i % 4 * 4 + j] = bytes[j][i];
  memcpy(q, words, sizeof words);
}

#include "../generic/gemm_sparse_rows_i8.h"
