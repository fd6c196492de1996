#include "../simd/common.h"

#if ADZE_ARM
#define TILE_ROWS 8
#include "../simd/neon.h"

HELPER vf four_floats(const float *a) { return v_load(a); }
HELPER vf chosen(vf x, vi positions) {
  // The bytes of each lane's element.
  const vi bytes = vaddq_s32(vmulq_n_s32(vandq_s32(positions, vdupq_n_s32(3)), 0x04040404), vdupq_n_s32(0x03020100));
  return vreinterpretq_f32_u8(vqtbl1q_u8(vreinterpretq_u8_f32(x), vreinterpretq_u8_s32(bytes)));
}

#include "../generic/gemm_2of4_f32.h"
#include "../simd/end.h"
#endif
