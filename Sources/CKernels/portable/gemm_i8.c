#define GEMM_ROWS 4
#define GROUP 1
#include "../simd/portable.h"

HELPER vi group_step(vi acc, vi a, const int8_t *b) { return vi_add(acc, vi_mul(a, vi_load_s8(b))); }

#include "../generic/gemm_i8.h"
