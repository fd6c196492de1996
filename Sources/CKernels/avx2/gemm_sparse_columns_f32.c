#include "../simd/common.h"

#if ADZE_X86
#define TILE_ROWS 8
#include "../simd/avx2.h"

HELPER vf window_floats(const float *a, vi positions) { return _mm256_permutevar8x32_ps(v_load(a), positions); }
HELPER vf fma_present(vf x, vf w, vf acc, vi positions) {
  return _mm256_blendv_ps(acc, v_fma(x, w, acc), v_as_f(positions));
}

#include "../generic/gemm_sparse_columns_f32.h"
#include "../simd/end.h"
#endif
