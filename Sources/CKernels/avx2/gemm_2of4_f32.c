#include "../simd/common.h"

#if ADZE_X86
#define TILE_ROWS 4
#include "../simd/avx2.h"

HELPER vf four_floats(const float *a) { return _mm256_broadcast_ps((const __m128 *)(const void *)a); }
HELPER vf chosen(vf x, vi positions) { return _mm256_permutevar_ps(x, positions); }

#include "../generic/gemm_2of4_f32.h"
#include "../simd/end.h"
#endif
