#include "../simd/common.h"

#if ADZE_ARM
#define TILE_ROWS 12
#define PAIRS 0
#include "../simd/neon.h"
#include "../simd/neon_bytes.h"

HELPER vi window_words(const uint8_t *a, vi positions) {
  return vreinterpretq_s32_u8(vqtbl1q_u8(vld1q_u8(a), vreinterpretq_u8_s32(positions)));
}
HELPER vi expand_positions(const uint8_t *p) {
  const vi x = vreinterpretq_s32_u32(vmovl_u16(vreinterpret_u16_u8(vld1_u8(p))));
  return vandq_s32(vorrq_s32(x, vshlq_n_s32(x, 12)), vdupq_n_s32(0x0f0f0f0f));
}

#include "../generic/gemm_sparse_i8.h"
#include "../simd/end.h"
#endif
