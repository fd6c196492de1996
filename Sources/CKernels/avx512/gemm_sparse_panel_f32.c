#include "../simd/common.h"

#if ADZE_X86
#define TILE_ROWS 12
#include "../simd/avx512.h"

#include "../generic/gemm_sparse_panel_f32.h"
#include "../simd/end.h"
#endif
