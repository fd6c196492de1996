#include "../simd/common.h"

#if ADZE_X86
#define TILE_ROWS 8
#include "../simd/avx512.h"

HELPER vf four_floats(const float *a) { return _mm512_broadcast_f32x4(_mm_loadu_ps(a)); }
HELPER vf chosen(vf x, vi positions) { return _mm512_permutevar_ps(x, positions); }

#include "../generic/gemm_2of4_f32.h"
#include "../simd/end.h"
#endif
