#define TILE_ROWS 8
#define PAIRS 0
#include "../simd/portable.h"
#include "../simd/portable_bytes.h"

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
