#define TILE_ROWS 4
#include "../simd/portable.h"

HELPER vf four_floats(const float *a) { return v_load(a); }
HELPER vf chosen(vf x, vi positions) {
  vf y;
  LANES(y[i] = x[positions[i] & 3]);
  return y;
}

#include "../generic/gemm_2of4_f32.h"
