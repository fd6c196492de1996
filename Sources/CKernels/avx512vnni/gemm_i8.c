#include "../simd/common.h"

#if ADZE_X86
#define GEMM_ROWS 12
#define GROUP 4
#define DEPTHWISE_WIDE 4
#define GATHERS 1
#define GATHERED_ROWS 10
#include "../simd/avx512vnni.h"
#include "../simd/avx512_words.h"

HELPER vi group_step(vi acc, vi a, const int8_t *b) {
  return _mm512_dpbusd_epi32(acc, a, _mm512_loadu_si512(b));
}

#include "../generic/gemm_i8.h"
#include "../generic/conv2d_i8_epilogue.h"
#include "../generic/gathered_gemm_i8.h"
#include "../generic/conv2d_i8.h"
#include "../generic/depthwise_nhwc_i8.h"
#include "../simd/end.h"
#endif
