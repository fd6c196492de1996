#define GEMM_ROWS 4
#include "../simd/portable.h"
#include "../generic/gathered_gemm_f32.h"
#include "../generic/conv2d_f32.h"
#include "../generic/winograd_f32.h"
#include "../generic/depthwise_nhwc_f32.h"
#include "../generic/pool_nhwc_f32.h"
#include "../generic/scale_shift_nhwc_f32.h"
