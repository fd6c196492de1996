#include "../simd/common.h"

#if ADZE_X86
#define TILE_ROWS 8
#include "../simd/avx512.h"

HELPER vi pair_products(vi a, vi b) { return _mm512_maddubs_epi16(a, b); }
HELPER vi add_16(vi a, vi b) { return _mm512_add_epi16(a, b); }
HELPER vi widened(vi a) { return _mm512_madd_epi16(a, _mm512_set1_epi16(1)); }
HELPER vi wide_step(vi acc, vi a, vi b) {
  const vi a_even = _mm512_and_si512(a, _mm512_set1_epi16(255)), a_odd = _mm512_srli_epi16(a, 8);
  const vi b_even = _mm512_srai_epi16(_mm512_slli_epi16(b, 8), 8), b_odd = _mm512_srai_epi16(b, 8);
  const vi even = _mm512_madd_epi16(a_even, b_even), odd = _mm512_madd_epi16(a_odd, b_odd);
  return _mm512_add_epi32(acc, _mm512_add_epi32(even, odd));
}
HELPER vi greater_bytes(vi a, vi b) { return _mm512_max_epi8(a, b); }
HELPER vi smaller_bytes(vi a, vi b) { return _mm512_min_epi8(a, b); }
HELPER unsigned over(vi a, vi b) {
  const __mmask32 above = _mm512_cmpgt_epi16_mask(a, _mm512_set1_epi16(128));
  return (unsigned)__builtin_popcount(above | _mm512_cmplt_epi16_mask(b, _mm512_set1_epi16(-128)));
}

#include "../generic/gemm_i8_split.h"
#include "../generic/pack_i8_split.h"
#include "../simd/end.h"
#endif
