#define TILE_ROWS 8
#define PAIRS 0
#include "../simd/portable.h"

HELPER vi dot_4(vi acc, vi a, vi b) {
  for (int j = 0; j < 4; j++) {
    const vi x = vi_and(vi_shift_right(a, 8 * j), vi_set1(255)), y = vi_shift_right(vi_shift_left(b, 24 - 8 * j), 24);
    acc = vi_add(acc, vi_mul(x, y));
  }
  return acc;
}
HELPER vi window_words(const uint8_t *a, vi positions) {
  uint8_t p[16], y[16];
  memcpy(p, &positions, sizeof p);
  for (int i = 0; i < 16; i++) y[i] = a[p[i]];
  memcpy(&positions, y, sizeof y);
  return positions;
}
HELPER vi expand_positions(const uint8_t *p) {
  vi x;
  LANES(x[i] = (p[2 * i] | p[2 * i + 1] << 8));
  return vi_and(x | vi_shift_left(x, 12), vi_set1(0x0f0f0f0f));
}

#include "../generic/gemm_sparse_i8.h"
