#include "../simd/common.h"

#if ADZE_ARM
#define PEAK_I8_CHAINS 12
#include "../simd/neondot.h"
#include "../simd/neon_bytes.h"

/// A less 128, as gemm_i8 has it; what that takes off, which gemm_i8 knows from packing, is one more product of sums of
/// four elements of b: they fit 8 bits.
HELPER vi peak_step(vi sum, const vi *a, const int8_t *b) {
  int8x16_t taken = vdupq_n_s8(0);
  for (int g = 0; g < 4; g++) {
    const int8x16_t weights = vld1q_s8(b + 4 * g * ADZE_PEAK_COUNT);
    const vi shifted = veorq_s32(a[g], vdupq_n_s32((int32_t)0x80808080u));
    sum = signed_dot_4(sum, shifted, vreinterpretq_s32_s8(weights));
    taken = vaddq_s8(taken, weights);
  }
  const vi ones = vdupq_n_s32(0x01010101);
  return vaddq_s32(sum, vshlq_n_s32(signed_dot_4(vdupq_n_s32(0), ones, vreinterpretq_s32_s8(taken)), 7));
}

#include "../generic/peak_i8.h"
#include "../simd/end.h"
#endif
