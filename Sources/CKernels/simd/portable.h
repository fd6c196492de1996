// Vectors of four floats in the compiler's own vector types: SSE2, NEON or plain registers, as the target has.
// The vocabulary (v_…, vi_…) is the same in avx2.h and avx512.h; generic/ is written in it.
#include "common.h"

#define KERNEL(slot) adze_##slot##__portable
#define VL 4

typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef vi vm;  // -1 where true

#define LANES(expression)                        \
  do {                                           \
    for (int i = 0; i < VL; i++) { expression; } \
  } while (0)

HELPER vf v_set1(float x) { return (vf){x, x, x, x}; }
HELPER vi vi_set1(int32_t x) { return (vi){x, x, x, x}; }
HELPER vf v_load(const float *p) { vf v; memcpy(&v, p, sizeof v); return v; }
HELPER void v_store(float *p, vf v) { memcpy(p, &v, sizeof v); }
HELPER vf v_load_part(const float *p, ptrdiff_t n) { vf v = {0}; memcpy(&v, p, (size_t)n * sizeof *p); return v; }
HELPER void v_store_part(float *p, vf v, ptrdiff_t n) { memcpy(p, &v, (size_t)n * sizeof *p); }
HELPER vi vi_load(const int32_t *p) { vi v; memcpy(&v, p, sizeof v); return v; }
HELPER void vi_store(int32_t *p, vi v) { memcpy(p, &v, sizeof v); }
HELPER vi vi_load_part(const int32_t *p, ptrdiff_t n) { vi v = {0}; memcpy(&v, p, (size_t)n * 4); return v; }
HELPER void vi_store_part(int32_t *p, vi v, ptrdiff_t n) { memcpy(p, &v, (size_t)n * 4); }

HELPER vf v_as_f(vi x) { return (vf)x; }
HELPER vi v_as_i(vf x) { return (vi)x; }
HELPER vf v_bits_and(vf a, vf b) { return (vf)((vi)a & (vi)b); }
HELPER vf v_bits_or(vf a, vf b) { return (vf)((vi)a | (vi)b); }
HELPER vf v_bits_xor(vf a, vf b) { return (vf)((vi)a ^ (vi)b); }

HELPER vm v_lt(vf a, vf b) { return (vm)(a < b); }
HELPER vm v_eq(vf a, vf b) { return (vm)(a == b); }
HELPER vm v_is_nan(vf a) { return (vm)(a != a); }
HELPER vf v_select(vm m, vf yes, vf no) { return (vf)((m & (vi)yes) | (~m & (vi)no)); }

/// a * b + c; fused only where the instruction set has it.
HELPER vf v_fma(vf a, vf b, vf c) { return a * b + c; }
/// The second operand when either is NaN, as the x86 instructions have it.
HELPER vf v_min(vf a, vf b) { return v_select(v_lt(a, b), a, b); }
HELPER vf v_max(vf a, vf b) { return v_select(v_lt(b, a), a, b); }
HELPER vf v_sqrt(vf a) { LANES(a[i] = __builtin_sqrtf(a[i])); return a; }
/// Half to even: adding 2^23 leaves no fraction in a smaller float.
HELPER vf v_round(vf a) {
  const vf sign = v_bits_and(a, v_set1(-0.0f)), magnitude = v_bits_xor(a, sign), whole = v_set1(8388608.0f);
  return v_select(v_lt(magnitude, whole), v_bits_or((magnitude + whole) - whole, sign), a);
}
HELPER vf v_floor(vf a) {
  const vf r = v_round(a), one = v_set1(1);
  return v_bits_or(v_select(v_lt(a, r), r - one, r), v_bits_and(a, v_set1(-0.0f)));
}
HELPER vf v_ceil(vf a) {
  const vf r = v_round(a), one = v_set1(1);
  return v_bits_or(v_select(v_lt(r, a), r + one, r), v_bits_and(a, v_set1(-0.0f)));
}
/// Half to even; the value must fit. NaN gives 0: in C its conversion is undefined.
HELPER vi v_to_i(vf a) { return __builtin_convertvector(v_select(v_is_nan(a), v_set1(0), v_round(a)), vi); }
HELPER vf v_from_i(vi a) { return __builtin_convertvector(a, vf); }

HELPER vi vi_add(vi a, vi b) {
  typedef uint32_t vu __attribute__((vector_size(16)));
  return (vi)((vu)a + (vu)b);
}
HELPER vi vi_sub(vi a, vi b) {
  typedef uint32_t vu __attribute__((vector_size(16)));
  return (vi)((vu)a - (vu)b);
}
HELPER vi vi_and(vi a, vi b) { return a & b; }
HELPER vi vi_xor(vi a, vi b) { return a ^ b; }
HELPER vi vi_mul(vi a, vi b) {
  typedef uint32_t vu __attribute__((vector_size(16)));
  return (vi)((vu)a * (vu)b);
}
HELPER vi vi_shift_left(vi a, int n) {
  typedef uint32_t vu __attribute__((vector_size(16)));
  return (vi)((vu)a << n);
}
HELPER vi vi_shift_right(vi a, int n) { return a >> n; }

HELPER float v_sum(vf a) { return (a[0] + a[2]) + (a[1] + a[3]); }
HELPER int32_t vi_sum(vi a) { return (int32_t)((uint32_t)a[0] + (uint32_t)a[1] + (uint32_t)a[2] + (uint32_t)a[3]); }

HELPER vi vi_load_u8(const uint8_t *p) { return (vi){p[0], p[1], p[2], p[3]}; }
HELPER vi vi_load_s8(const int8_t *p) { return (vi){p[0], p[1], p[2], p[3]}; }
/// Stores the low bytes; the caller has clamped.
HELPER void vi_store_8(void *p, vi v) { LANES(((uint8_t *)p)[i] = (uint8_t)v[i]); }
/// Stores a, then b, as bytes: each plus the int16 value that every half of `zero` holds, saturated.
HELPER void vi_store_pair_8(void *p, vi a, vi b, vi zero, const bool is_signed) {
  const int32_t low = is_signed ? -128 : 0, high = low + 255;
  for (int i = 0; i < 2 * VL; i++) {
    const int32_t x = i < VL ? a[i] : b[i - VL], point = (int16_t)zero[0];
    ((uint8_t *)p)[i] = (uint8_t)(x < low - point ? low : x > high - point ? high : x + point);
  }
}
/// Every second element of p[0 ..< 2 * VL].
HELPER vf v_load_even(const float *p) { return (vf){p[0], p[2], p[4], p[6]}; }

// 32-bit transposition tile, TRANSPOSE_TILE square.
#define TRANSPOSE_TILE 4
HELPER void v_transpose(const float *x, ptrdiff_t x_stride, float *y, ptrdiff_t y_stride) {
  vf r0 = v_load(x), r1 = v_load(x + x_stride), r2 = v_load(x + 2 * x_stride), r3 = v_load(x + 3 * x_stride);
  v_store(y, (vf){r0[0], r1[0], r2[0], r3[0]});
  v_store(y + y_stride, (vf){r0[1], r1[1], r2[1], r3[1]});
  v_store(y + 2 * y_stride, (vf){r0[2], r1[2], r2[2], r3[2]});
  v_store(y + 3 * y_stride, (vf){r0[3], r1[3], r2[3], r3[3]});
}
