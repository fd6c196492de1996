#include "../simd/common.h"

#if ADZE_X86
#define GEMM_ROWS 6
#define GROUP 4
#define KERNEL(slot) adze_##slot##__avxvnni
#define ADZE_TARGET "avxvnni,avx2,fma"
#include "../simd/avx2.h"

HELPER vi group_step(vi acc, vi a, const int8_t *b) {
  return _mm256_dpbusd_avx_epi32(acc, a, _mm256_loadu_si256((const __m256i *)b));
}

#include "../generic/gemm_i8.h"
#include "../simd/end.h"
#endif
