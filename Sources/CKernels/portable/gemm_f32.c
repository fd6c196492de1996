#define GEMM_ROWS 4
#include "../simd/portable.h"
#include "../generic/gemm_f32.h"
