#define TILE_ROWS 4
#include "../simd/portable.h"

HELPER vf window_floats(const float *a, vi positions) {
  vf x;
  LANES(x[i] = a[positions[i] & (VL - 1)]);
  return x;
}
HELPER vf fma_present(vf x, vf w, vf acc, vi positions) { return v_select(positions < 0, v_fma(x, w, acc), acc); }

#include "../generic/gemm_sparse_columns_f32.h"
