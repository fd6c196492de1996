#include "../simd/common.h"

#if ADZE_X86
#define TILE_ROWS 4
#include "../simd/avx2.h"

HELPER vi pair_products(vi a, vi b) { return _mm256_maddubs_epi16(a, b); }
HELPER vi add_16(vi a, vi b) { return _mm256_add_epi16(a, b); }
HELPER vi widened(vi a) { return _mm256_madd_epi16(a, _mm256_set1_epi16(1)); }
HELPER vi wide_step(vi acc, vi a, vi b) {
  const vi a_even = _mm256_and_si256(a, _mm256_set1_epi16(255)), a_odd = _mm256_srli_epi16(a, 8);
  const vi b_even = _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), b_odd = _mm256_srai_epi16(b, 8);
  const vi even = _mm256_madd_epi16(a_even, b_even), odd = _mm256_madd_epi16(a_odd, b_odd);
  return _mm256_add_epi32(acc, _mm256_add_epi32(even, odd));
}
HELPER vi greater_bytes(vi a, vi b) { return _mm256_max_epi8(a, b); }
HELPER vi smaller_bytes(vi a, vi b) { return _mm256_min_epi8(a, b); }
HELPER unsigned over(vi a, vi b) {
  const vi above = _mm256_cmpgt_epi16(a, _mm256_set1_epi16(128));
  const vi below = _mm256_cmpgt_epi16(_mm256_set1_epi16(-128), b);
  return (unsigned)__builtin_popcount((unsigned)_mm256_movemask_epi8(_mm256_or_si256(above, below))) / 2;
}

#include "../generic/gemm_i8_split.h"
#include "../generic/pack_i8_split.h"
#include "../simd/end.h"
#endif
