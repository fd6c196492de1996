#include "../simd/common.h"

#if ADZE_ARM
#define GEMM_ROWS 12
#include "../simd/neon.h"

#include "../generic/gemm_block_f32.h"
#include "../simd/end.h"
#endif
