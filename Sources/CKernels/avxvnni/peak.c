#include "../simd/common.h"

#if ADZE_X86
#define PEAK_I8_CHAINS 12
#include "../simd/avxvnni.h"

HELPER vi peak_step(vi sum, const vi *a, const int8_t *b) {
  for (int g = 0; g < 4; g++) {
    sum = _mm256_dpbusd_avx_epi32(sum, a[g], vi_load((const int32_t *)(b + 4 * g * ADZE_PEAK_COUNT)));
  }
  return sum;
}

#include "../generic/peak_i8.h"
#include "../simd/end.h"
#endif
