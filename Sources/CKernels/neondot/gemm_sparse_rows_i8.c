#include "../simd/common.h"

#if ADZE_ARM
#define PAIRS 0
#include "../simd/neondot.h"
#include "../simd/neon_bytes.h"

HELPER void word_quads(const vi x[4], vi q[4]) {
  const int8x16_t x0 = vreinterpretq_s8_s32(x[0]), x1 = vreinterpretq_s8_s32(x[1]);
  const int8x16_t x2 = vreinterpretq_s8_s32(x[2]), x3 = vreinterpretq_s8_s32(x[3]);
  const int16x8_t low01 = vreinterpretq_s16_s8(vzip1q_s8(x0, x1)), low23 = vreinterpretq_s16_s8(vzip1q_s8(x2, x3));
  const int16x8_t high01 = vreinterpretq_s16_s8(vzip2q_s8(x0, x1)), high23 = vreinterpretq_s16_s8(vzip2q_s8(x2, x3));
  q[0] = vreinterpretq_s32_s16(vzip1q_s16(low01, low23));
  q[1] = vreinterpretq_s32_s16(vzip2q_s16(low01, low23));
  q[2] = vreinterpretq_s32_s16(vzip1q_s16(high01, high23));
  q[3] = vreinterpretq_s32_s16(vzip2q_s16(high01, high23));
}

#include "../generic/gemm_sparse_rows_i8.h"
#include "../simd/end.h"
#endif
