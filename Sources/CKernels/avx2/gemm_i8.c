#include "../simd/common.h"

#if ADZE_X86
#define GEMM_ROWS 6
#define GROUP 2
#include "../simd/avx2.h"

HELPER vi group_step(vi acc, vi a, const int8_t *b) {
  const __m256i widened = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)b));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(a, widened));
}

#include "../generic/gemm_i8.h"
#include "../simd/end.h"
#endif
