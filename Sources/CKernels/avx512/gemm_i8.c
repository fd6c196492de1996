#include "../simd/common.h"

#if ADZE_X86
#define GEMM_ROWS 12
#define GROUP 2
#include "../simd/avx512.h"

HELPER vi group_step(vi acc, vi a, const int8_t *b) {
  const __m512i widened = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)b));
  return _mm512_add_epi32(acc, _mm512_madd_epi16(a, widened));
}

#include "../generic/gemm_i8.h"
#include "../simd/end.h"
#endif
