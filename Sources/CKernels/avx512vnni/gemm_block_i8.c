#include "../simd/common.h"

#if ADZE_X86
#define PAIRS 0
#include "../simd/avx512vnni.h"

#include "../generic/gemm_block_i8.h"
#include "../simd/end.h"
#endif
