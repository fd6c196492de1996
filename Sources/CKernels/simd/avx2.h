// Vectors of eight floats: AVX2 and FMA. ADZE_TARGET and KERNEL may be set before by an instruction set above it.
#include "common.h"

#include <immintrin.h>

#ifndef KERNEL
#define KERNEL(slot) adze_##slot##__avx2
#define ADZE_TARGET "avx2,fma"
#endif
#include "begin.h"

#define VL 8
#define V_FUSES 1  // v_fma rounds once

typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;  // all bits where true

HELPER vf v_set1(float x) { return _mm256_set1_ps(x); }
HELPER vi vi_set1(int32_t x) { return _mm256_set1_epi32(x); }
HELPER vi first_lanes(ptrdiff_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
HELPER vf v_load(const float *p) { return _mm256_loadu_ps(p); }
HELPER void v_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
HELPER vf v_load_part(const float *p, ptrdiff_t n) { return _mm256_maskload_ps(p, first_lanes(n)); }
HELPER void v_store_part(float *p, vf v, ptrdiff_t n) { _mm256_maskstore_ps(p, first_lanes(n), v); }
HELPER vi vi_load(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
HELPER void vi_store(int32_t *p, vi v) { _mm256_storeu_si256((__m256i *)p, v); }
HELPER vi vi_load_part(const int32_t *p, ptrdiff_t n) { return _mm256_maskload_epi32(p, first_lanes(n)); }
HELPER void vi_store_part(int32_t *p, vi v, ptrdiff_t n) { _mm256_maskstore_epi32(p, first_lanes(n), v); }

HELPER vf v_as_f(vi x) { return _mm256_castsi256_ps(x); }
HELPER vi v_as_i(vf x) { return _mm256_castps_si256(x); }
HELPER vf v_bits_and(vf a, vf b) { return _mm256_and_ps(a, b); }
HELPER vf v_bits_or(vf a, vf b) { return _mm256_or_ps(a, b); }
HELPER vf v_bits_xor(vf a, vf b) { return _mm256_xor_ps(a, b); }

HELPER vm v_lt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
HELPER vm v_eq(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
HELPER vm v_is_nan(vf a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
HELPER vf v_select(vm m, vf yes, vf no) { return _mm256_blendv_ps(no, yes, m); }

HELPER vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
HELPER vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
HELPER vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
HELPER vf v_sqrt(vf a) { return _mm256_sqrt_ps(a); }
HELPER vf v_floor(vf a) { return _mm256_floor_ps(a); }
HELPER vf v_ceil(vf a) { return _mm256_ceil_ps(a); }
HELPER vf v_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
HELPER vi v_to_i(vf a) { return _mm256_cvtps_epi32(a); }
HELPER vf v_from_i(vi a) { return _mm256_cvtepi32_ps(a); }

HELPER vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
HELPER vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
HELPER vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
HELPER vi vi_xor(vi a, vi b) { return _mm256_xor_si256(a, b); }
HELPER vi vi_mul(vi a, vi b) { return _mm256_mullo_epi32(a, b); }
HELPER vi vi_shift_left(vi a, int n) { return _mm256_slli_epi32(a, n); }
HELPER vi vi_shift_right(vi a, int n) { return _mm256_srai_epi32(a, n); }

HELPER float v_sum(vf a) {
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
HELPER int32_t vi_sum(vi a) {
  __m128i x = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}

HELPER vi vi_load_u8(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
HELPER vi vi_load_s8(const int8_t *p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
HELPER void vi_store_8(void *p, vi v) {
  const __m256i low_bytes = _mm256_set1_epi32(0x0c080400);
  const __m256i x = _mm256_shuffle_epi8(v, low_bytes);
  _mm_storel_epi64(p, _mm_unpacklo_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
}
HELPER vf v_load_even(const float *p) {
  const __m256 x = _mm256_shuffle_ps(v_load(p), v_load(p + 8), 0x88);
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(x), 0xd8));
}

/// Stores a, then b, as bytes: each plus the int16 value that every half of `zero` holds, saturated.
HELPER void vi_store_pair_8(void *p, vi a, vi b, vi zero, const bool is_signed) {
  const __m256i x = _mm256_adds_epi16(_mm256_packs_epi32(a, b), zero);
  // Of each 128-bit lane: four bytes of a, four of b, twice.
  const __m256i y = is_signed ? _mm256_packs_epi16(x, x) : _mm256_packus_epi16(x, x);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5);
  _mm_storeu_si128(p, _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(y, order)));
}

#include "x86_transpose.h"
