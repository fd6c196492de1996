#include "../simd/common.h"

#if ADZE_ARM
#define GEMM_ROWS 10
#include "../simd/neon.h"
#include "../generic/gathered_gemm_f32.h"
#include "../generic/conv2d_f32.h"
#include "../generic/winograd_f32.h"
#include "../generic/depthwise_nhwc_f32.h"
#include "../generic/pool_nhwc_f32.h"
#include "../generic/scale_shift_nhwc_f32.h"
#include "../simd/end.h"
#endif
