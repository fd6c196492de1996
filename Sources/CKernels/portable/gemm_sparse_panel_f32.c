#define TILE_ROWS 3
#include "../simd/portable.h"

#include "../generic/gemm_sparse_panel_f32.h"
