#include "../simd/portable.h"
#include "../generic/peak.h"

#define PEAK_I8_CHAINS 6

/// One product a lane: elements are widened before they are multiplied, as gemm_i8 does here.
HELPER vi peak_step(vi sum, const vi *a, const int8_t *b) {
  for (int g = 0; g < 4; g++) {
    const vi word = vi_load((const int32_t *)(b + 4 * g * ADZE_PEAK_COUNT));
    for (int j = 0; j < 4; j++) {
      const vi weight = vi_shift_right(vi_shift_left(word, 24 - 8 * j), 24);
      sum = vi_add(sum, vi_mul(vi_and(vi_shift_right(a[g], 8 * j), vi_set1(255)), weight));
    }
  }
  return sum;
}

#include "../generic/peak_i8.h"
