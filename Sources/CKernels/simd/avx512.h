// Vectors of sixteen floats: AVX-512 F, BW, DQ, VL. ADZE_TARGET and KERNEL may be set before by one above it.
#include "common.h"

#include <immintrin.h>

#ifndef KERNEL
#define KERNEL(slot) adze_##slot##__avx512
#define ADZE_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
#endif
#include "begin.h"

#define VL 16
#define V_FUSES 1  // v_fma rounds once

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

HELPER vf v_set1(float x) { return _mm512_set1_ps(x); }
HELPER vi vi_set1(int32_t x) { return _mm512_set1_epi32(x); }
HELPER __mmask16 first_lanes(ptrdiff_t n) { return (__mmask16)((1u << n) - 1); }
HELPER vf v_load(const float *p) { return _mm512_loadu_ps(p); }
HELPER void v_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
HELPER vf v_load_part(const float *p, ptrdiff_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
HELPER void v_store_part(float *p, vf v, ptrdiff_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }
HELPER vi vi_load(const int32_t *p) { return _mm512_loadu_si512(p); }
HELPER void vi_store(int32_t *p, vi v) { _mm512_storeu_si512(p, v); }
HELPER vi vi_load_part(const int32_t *p, ptrdiff_t n) { return _mm512_maskz_loadu_epi32(first_lanes(n), p); }
HELPER void vi_store_part(int32_t *p, vi v, ptrdiff_t n) { _mm512_mask_storeu_epi32(p, first_lanes(n), v); }

HELPER vf v_as_f(vi x) { return _mm512_castsi512_ps(x); }
HELPER vi v_as_i(vf x) { return _mm512_castps_si512(x); }
HELPER vf v_bits_and(vf a, vf b) { return _mm512_and_ps(a, b); }
HELPER vf v_bits_or(vf a, vf b) { return _mm512_or_ps(a, b); }
HELPER vf v_bits_xor(vf a, vf b) { return _mm512_xor_ps(a, b); }

HELPER vm v_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
HELPER vm v_eq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
HELPER vm v_is_nan(vf a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
HELPER vf v_select(vm m, vf yes, vf no) { return _mm512_mask_blend_ps(m, no, yes); }

HELPER vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
HELPER vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
HELPER vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
HELPER vf v_sqrt(vf a) { return _mm512_sqrt_ps(a); }
HELPER vf v_floor(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
HELPER vf v_ceil(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
HELPER vf v_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
HELPER vi v_to_i(vf a) { return _mm512_cvtps_epi32(a); }
HELPER vf v_from_i(vi a) { return _mm512_cvtepi32_ps(a); }

HELPER vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
HELPER vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
HELPER vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
HELPER vi vi_xor(vi a, vi b) { return _mm512_xor_si512(a, b); }
HELPER vi vi_mul(vi a, vi b) { return _mm512_mullo_epi32(a, b); }
HELPER vi vi_shift_left(vi a, int n) { return _mm512_sll_epi32(a, _mm_cvtsi32_si128(n)); }
HELPER vi vi_shift_right(vi a, int n) { return _mm512_sra_epi32(a, _mm_cvtsi32_si128(n)); }

HELPER float v_sum(vf a) {
  const __m256 y = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
HELPER int32_t vi_sum(vi a) { return _mm512_reduce_add_epi32(a); }

HELPER vi vi_load_u8(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }
HELPER vi vi_load_s8(const int8_t *p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)); }
HELPER void vi_store_8(void *p, vi v) { _mm_storeu_si128(p, _mm512_cvtepi32_epi8(v)); }
HELPER vf v_load_even(const float *p) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return _mm512_permutex2var_ps(v_load(p), even, v_load(p + 16));
}

/// Stores a, then b, as bytes: each plus the int16 value that every half of `zero` holds, saturated.
HELPER void vi_store_pair_8(void *p, vi a, vi b, vi zero, const bool is_signed) {
  const __m512i x = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero);
  // Of each 128-bit lane: four bytes of a, four of b, twice.
  const __m512i y = is_signed ? _mm512_packs_epi16(x, x) : _mm512_packus_epi16(x, x);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 4, 8, 12, 1, 5, 9, 13);
  _mm256_storeu_si256(p, _mm512_castsi512_si256(_mm512_permutexvar_epi32(order, y)));
}

#include "x86_transpose.h"
