#include "../simd/common.h"

#if ADZE_X86
#define GEMM_ROWS 12
#define GROUP 4
#define GATHERS 1
#define GATHERED_ROWS 10
#define KERNEL(slot) adze_##slot##__avx512vnni
#define ADZE_TARGET "avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
#include "../simd/avx512.h"

HELPER vi group_step(vi acc, vi a, const int8_t *b) {
  return _mm512_dpbusd_epi32(acc, a, _mm512_loadu_si512(b));
}

HELPER vi dot_4(vi acc, vi a, vi b) { return _mm512_dpbusd_epi32(acc, a, b); }

#include "../generic/gemm_i8.h"
#include "../generic/conv2d_i8_epilogue.h"
#include "../generic/gathered_gemm_i8.h"
#include "../generic/conv2d_i8.h"
#include "../generic/depthwise_nhwc_i8.h"
#include "../simd/end.h"
#endif
