#include "../simd/common.h"

#if ADZE_X86
#define PAIRS 0
#define KERNEL(slot) adze_##slot##__avx512vnni
#define ADZE_TARGET "avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
#include "../simd/avx512.h"

HELPER vi dot_4(vi acc, vi a, vi b) { return _mm512_dpbusd_epi32(acc, a, b); }

#include "../generic/gemm_block_i8.h"
#include "../simd/end.h"
#endif
