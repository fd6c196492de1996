#include "../simd/common.h"

#if ADZE_X86
#define DEPTHWISE_WIDE 1
#define GATHERS 0
#define TILE_ROWS 4
#include "../simd/avx2.h"
#include "../simd/avx2_bytes.h"
#include "../simd/avx2_words.h"

HELPER vi greater_bytes(vi a, vi b) { return _mm256_max_epi8(a, b); }
HELPER vi smaller_bytes(vi a, vi b) { return _mm256_min_epi8(a, b); }
HELPER unsigned over(vi a, vi b) {
  const vi above = _mm256_cmpgt_epi16(a, _mm256_set1_epi16(128));
  const vi below = _mm256_cmpgt_epi16(_mm256_set1_epi16(-128), b);
  return (unsigned)__builtin_popcount((unsigned)_mm256_movemask_epi8(_mm256_or_si256(above, below))) / 2;
}

#include "../generic/gemm_i8_split.h"
#include "../generic/pack_i8_split.h"
#include "../generic/conv2d_i8_epilogue.h"
#include "../generic/conv2d_i8.h"
#include "../generic/depthwise_nhwc_i8.h"
#include "../simd/end.h"
#endif
