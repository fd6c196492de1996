#include "../simd/common.h"

#if ADZE_ARM
#define PEAK_I8_CHAINS 12
#include "../simd/neon.h"
#include "../simd/neon_bytes.h"
#include "../generic/peak.h"

HELPER vi peak_step(vi sum, const vi *a, const int8_t *b) {
  for (int g = 0; g < 4; g++) sum = dot_4(sum, a[g], vi_load((const int32_t *)(b + 4 * g * ADZE_PEAK_COUNT)));
  return sum;
}

#include "../generic/peak_i8.h"
#include "../simd/end.h"
#endif
