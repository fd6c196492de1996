#include "../simd/common.h"

#if ADZE_X86
#define GEMM_ROWS 12
#include "../simd/avx512.h"

#include "../generic/gemm_block_f32.h"
#include "../simd/end.h"
#endif
