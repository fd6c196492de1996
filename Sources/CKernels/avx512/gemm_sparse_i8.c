#include "../simd/common.h"

#if ADZE_X86
#define TILE_ROWS 12
#define PAIRS 1
#include "../simd/avx512.h"

HELPER vi dot_4(vi acc, vi a, vi b) {
  return _mm512_add_epi32(acc, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1)));
}
HELPER vi window_words(const uint8_t *a, vi positions) {
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)a)), positions);
}
HELPER vi expand_positions(const uint8_t *p) {
  const vi x = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
  return _mm512_and_si512(_mm512_or_si512(x, _mm512_slli_epi32(x, 12)), _mm512_set1_epi32(0x0f0f0f0f));
}

#include "../generic/gemm_sparse_i8.h"
#include "../simd/end.h"
#endif
