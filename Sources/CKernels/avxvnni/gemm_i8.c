#include "../simd/common.h"

#if ADZE_X86
#define GEMM_ROWS 6
#define GROUP 4
#define DEPTHWISE_WIDE 2
#define GATHERS 1
#define GATHERED_ROWS 6
#include "../simd/avxvnni.h"
#include "../simd/avx2_words.h"

HELPER vi group_step(vi acc, vi a, const int8_t *b) {
  return _mm256_dpbusd_avx_epi32(acc, a, _mm256_loadu_si256((const __m256i *)b));
}

#include "../generic/gemm_i8.h"
#include "../generic/conv2d_i8_epilogue.h"
#include "../generic/gathered_gemm_i8.h"
#include "../generic/conv2d_i8.h"
#include "../generic/depthwise_nhwc_i8.h"
#include "../simd/end.h"
#endif
