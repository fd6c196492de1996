#define GEMM_ROWS 4
#include "../simd/portable.h"

#include "../generic/gemm_block_f32.h"
