#define PAIRS 0
#include "../simd/portable.h"
#include "../simd/portable_bytes.h"

HELPER void word_quads(const vi x[4], vi q[4]) {
  uint8_t bytes[4][16], words[4][16];
  memcpy(bytes, x, sizeof bytes);
  for (int i = 0; i < 16; i++) for (int j = 0; j < 4; j++) words[i / 4][i % 4 * 4 + j] = bytes[j][i];
  memcpy(q, words, sizeof words);
}

#include "../generic/gemm_sparse_rows_i8.h"
