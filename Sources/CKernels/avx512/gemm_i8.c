#include "../simd/common.h"

#if ADZE_X86
#define DEPTHWISE_WIDE 2
#define GATHERS 0
#define TILE_ROWS 8
#include "../simd/avx512.h"
#include "../simd/avx512_bytes.h"
#include "../simd/avx512_words.h"

HELPER vi greater_bytes(vi a, vi b) { return _mm512_max_epi8(a, b); }
HELPER vi smaller_bytes(vi a, vi b) { return _mm512_min_epi8(a, b); }
HELPER unsigned over(vi a, vi b) {
  const __mmask32 above = _mm512_cmpgt_epi16_mask(a, _mm512_set1_epi16(128));
  return (unsigned)__builtin_popcount(above | _mm512_cmplt_epi16_mask(b, _mm512_set1_epi16(-128)));
}

#include "../generic/gemm_i8_split.h"
#include "../generic/pack_i8_split.h"
#include "../generic/conv2d_i8_epilogue.h"
#include "../generic/conv2d_i8.h"
#include "../generic/depthwise_nhwc_i8.h"
#include "../simd/end.h"
#endif
