#include "../simd/common.h"

#if ADZE_X86
#define TILE_ROWS 8
#include "../simd/avx512.h"

HELPER vf window_floats(const float *a, vi positions) { return _mm512_permutexvar_ps(positions, v_load(a)); }
HELPER vf fma_present(vf x, vf w, vf acc, vi positions) {
  return _mm512_mask3_fmadd_ps(x, w, acc, _mm512_movepi32_mask(positions));
}

#include "../generic/gemm_sparse_columns_f32.h"
#include "../simd/end.h"
#endif
