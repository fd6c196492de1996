#include "../simd/common.h"

#if ADZE_ARM
#define TILE_ROWS 6
#include "../simd/neon.h"

#include "../generic/gemm_sparse_panel_f32.h"
#include "../simd/end.h"
#endif
