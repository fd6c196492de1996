#include "../simd/common.h"

#if ADZE_X86
#define TILE_ROWS 8
#define PAIRS 1
#include "../simd/avx2.h"

HELPER vi dot_4(vi acc, vi a, vi b) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)));
}
HELPER vi window_words(const uint8_t *a, vi positions) {
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)a)), positions);
}
HELPER vi expand_positions(const uint8_t *p) {
  const vi x = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
  return _mm256_and_si256(_mm256_or_si256(x, _mm256_slli_epi32(x, 12)), _mm256_set1_epi32(0x0f0f0f0f));
}

#include "../generic/gemm_sparse_i8.h"
#include "../simd/end.h"
#endif
