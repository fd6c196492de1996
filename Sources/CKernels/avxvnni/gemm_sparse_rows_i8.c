#include "../simd/common.h"

#if ADZE_X86
#define PAIRS 0
#define KERNEL(slot) adze_##slot##__avxvnni
#define ADZE_TARGET "avxvnni,avx2,fma"
#include "../simd/avx2.h"

HELPER vi dot_4(vi acc, vi a, vi b) { return _mm256_dpbusd_avx_epi32(acc, a, b); }
HELPER void word_quads(const vi x[4], vi q[4]) {
  const vi low01 = _mm256_unpacklo_epi8(x[0], x[1]), low23 = _mm256_unpacklo_epi8(x[2], x[3]);
  const vi high01 = _mm256_unpackhi_epi8(x[0], x[1]), high23 = _mm256_unpackhi_epi8(x[2], x[3]);
  q[0] = _mm256_unpacklo_epi16(low01, low23);
  q[1] = _mm256_unpackhi_epi16(low01, low23);
  q[2] = _mm256_unpacklo_epi16(high01, high23);
  q[3] = _mm256_unpackhi_epi16(high01, high23);
}

#include "../generic/gemm_sparse_rows_i8.h"
#include "../simd/end.h"
#endif
