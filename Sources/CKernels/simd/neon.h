// Vectors of four floats: NEON of 64-bit Arm. ADZE_TARGET and KERNEL may be set before by an instruction set above it.
#include "common.h"

#include <arm_neon.h>

#ifndef KERNEL
#define KERNEL(slot) adze_##slot##__neon
#define ADZE_TARGET "arch=armv8-a"
#endif
#include "begin.h"

#define VL 4
#define V_FUSES 1  // v_fma rounds once

typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm;  // all bits where true

HELPER vf v_set1(float x) { return vdupq_n_f32(x); }
HELPER vi vi_set1(int32_t x) { return vdupq_n_s32(x); }
HELPER vf v_load(const float *p) { return vld1q_f32(p); }
HELPER void v_store(float *p, vf v) { vst1q_f32(p, v); }
HELPER vf v_load_part(const float *p, ptrdiff_t n) {
  float lanes[VL] = {0};
  memcpy(lanes, p, (size_t)n * sizeof *p);
  return vld1q_f32(lanes);
}
HELPER void v_store_part(float *p, vf v, ptrdiff_t n) {
  float lanes[VL];
  vst1q_f32(lanes, v);
  memcpy(p, lanes, (size_t)n * sizeof *p);
}
HELPER vi vi_load(const int32_t *p) { return vld1q_s32(p); }
HELPER void vi_store(int32_t *p, vi v) { vst1q_s32(p, v); }
HELPER vi vi_load_part(const int32_t *p, ptrdiff_t n) {
  int32_t lanes[VL] = {0};
  memcpy(lanes, p, (size_t)n * sizeof *p);
  return vld1q_s32(lanes);
}
HELPER void vi_store_part(int32_t *p, vi v, ptrdiff_t n) {
  int32_t lanes[VL];
  vst1q_s32(lanes, v);
  memcpy(p, lanes, (size_t)n * sizeof *p);
}

HELPER vf v_as_f(vi x) { return vreinterpretq_f32_s32(x); }
HELPER vi v_as_i(vf x) { return vreinterpretq_s32_f32(x); }
HELPER vf v_bits_and(vf a, vf b) { return v_as_f(vandq_s32(v_as_i(a), v_as_i(b))); }
HELPER vf v_bits_or(vf a, vf b) { return v_as_f(vorrq_s32(v_as_i(a), v_as_i(b))); }
HELPER vf v_bits_xor(vf a, vf b) { return v_as_f(veorq_s32(v_as_i(a), v_as_i(b))); }

HELPER vm v_lt(vf a, vf b) { return vcltq_f32(a, b); }
HELPER vm v_eq(vf a, vf b) { return vceqq_f32(a, b); }
HELPER vm v_is_nan(vf a) { return vmvnq_u32(vceqq_f32(a, a)); }
HELPER vf v_select(vm m, vf yes, vf no) { return vbslq_f32(m, yes, no); }

HELPER vf v_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
/// The second operand when either is NaN, as the x86 instructions have it; Arm's own return NaN.
HELPER vf v_min(vf a, vf b) { return v_select(v_lt(a, b), a, b); }
HELPER vf v_max(vf a, vf b) { return v_select(v_lt(b, a), a, b); }
HELPER vf v_sqrt(vf a) { return vsqrtq_f32(a); }
HELPER vf v_floor(vf a) { return vrndmq_f32(a); }
HELPER vf v_ceil(vf a) { return vrndpq_f32(a); }
HELPER vf v_round(vf a) { return vrndnq_f32(a); }
HELPER vi v_to_i(vf a) { return vcvtnq_s32_f32(a); }
HELPER vf v_from_i(vi a) { return vcvtq_f32_s32(a); }

HELPER vi vi_add(vi a, vi b) { return vaddq_s32(a, b); }
HELPER vi vi_sub(vi a, vi b) { return vsubq_s32(a, b); }
HELPER vi vi_and(vi a, vi b) { return vandq_s32(a, b); }
HELPER vi vi_xor(vi a, vi b) { return veorq_s32(a, b); }
HELPER vi vi_mul(vi a, vi b) { return vmulq_s32(a, b); }
HELPER vi vi_shift_left(vi a, int n) { return vshlq_s32(a, vdupq_n_s32(n)); }
HELPER vi vi_shift_right(vi a, int n) { return vshlq_s32(a, vdupq_n_s32(-n)); }

HELPER float v_sum(vf a) {
  const float32x2_t x = vadd_f32(vget_low_f32(a), vget_high_f32(a));
  return vget_lane_f32(x, 0) + vget_lane_f32(x, 1);
}
HELPER int32_t vi_sum(vi a) { return vaddvq_s32(a); }

HELPER vi vi_load_u8(const uint8_t *p) {
  uint32_t word;
  memcpy(&word, p, sizeof word);
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(word)))));
}
HELPER vi vi_load_s8(const int8_t *p) {
  uint32_t word;
  memcpy(&word, p, sizeof word);
  return vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(word))));
}
HELPER void vi_store_8(void *p, vi v) {
  const int16x4_t half = vmovn_s32(v);
  const uint32_t word = vget_lane_u32(vreinterpret_u32_s8(vmovn_s16(vcombine_s16(half, half))), 0);
  memcpy(p, &word, sizeof word);
}
/// Stores a, then b, as bytes: each plus the int16 value that every half of `zero` holds, saturated.
HELPER void vi_store_pair_8(void *p, vi a, vi b, vi zero, const bool is_signed) {
  const int16x8_t x = vqaddq_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)), vreinterpretq_s16_s32(zero));
  vst1_u8(p, is_signed ? vreinterpret_u8_s8(vqmovn_s16(x)) : vqmovun_s16(x));
}
HELPER vf v_load_even(const float *p) { return vuzp1q_f32(v_load(p), v_load(p + VL)); }

// 32-bit transposition tile, TRANSPOSE_TILE square.
#define TRANSPOSE_TILE 4
HELPER void v_transpose(const float *x, ptrdiff_t x_stride, float *y, ptrdiff_t y_stride) {
  const vf r0 = v_load(x), r1 = v_load(x + x_stride), r2 = v_load(x + 2 * x_stride), r3 = v_load(x + 3 * x_stride);
  const vf low02 = vzip1q_f32(r0, r2), high02 = vzip2q_f32(r0, r2), low13 = vzip1q_f32(r1, r3), high13 = vzip2q_f32(r1, r3);
  v_store(y, vzip1q_f32(low02, low13));
  v_store(y + y_stride, vzip2q_f32(low02, low13));
  v_store(y + 2 * y_stride, vzip1q_f32(high02, high13));
  v_store(y + 3 * y_stride, vzip2q_f32(high02, high13));
}
