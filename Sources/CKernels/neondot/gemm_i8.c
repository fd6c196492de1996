#include "../simd/common.h"

#if ADZE_ARM
#define GEMM_ROWS 12
#define GROUP 4
#define DEPTHWISE_WIDE 2
#define GATHERS 0
#define SIGNED_WORDS 1
#include "../simd/neondot.h"
#include "../simd/neon_bytes.h"
#include "../simd/neon_words.h"

HELPER vi group_step(vi acc, vi a, const int8_t *b) { return signed_dot_4(acc, a, vreinterpretq_s32_s8(vld1q_s8(b))); }

#include "../generic/gemm_i8.h"
#include "../generic/conv2d_i8_epilogue.h"
#include "../generic/conv2d_i8.h"
#include "../generic/depthwise_nhwc_i8.h"
#include "../simd/end.h"
#endif
