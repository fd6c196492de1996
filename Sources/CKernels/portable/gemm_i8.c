#define GEMM_ROWS 4
#define GROUP 1
#define GATHERS 0
#include "../simd/portable.h"
#include "../simd/portable_bytes.h"

HELPER vi group_step(vi acc, vi a, const int8_t *b) { return vi_add(acc, vi_mul(a, vi_load_s8(b))); }

#include "../generic/gemm_i8.h"
#include "../generic/conv2d_i8_epilogue.h"
#include "../generic/conv2d_i8.h"
#include "../generic/depthwise_nhwc_i8.h"
