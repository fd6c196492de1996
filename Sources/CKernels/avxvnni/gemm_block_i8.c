#include "../simd/common.h"

#if ADZE_X86
#define PAIRS 0
#define KERNEL(slot) adze_##slot##__avxvnni
#define ADZE_TARGET "avxvnni,avx2,fma"
#include "../simd/avx2.h"

HELPER vi dot_4(vi acc, vi a, vi b) { return _mm256_dpbusd_avx_epi32(acc, a, b); }

#include "../generic/gemm_block_i8.h"
#include "../simd/end.h"
#endif
