#include "../simd/common.h"

#if ADZE_X86
#define VECTORS 4
#include "../simd/avx512.h"

#include "../generic/gemm_sparse_f32.h"
#include "../generic/gemm_sparse_quads_f32.h"
#include "../simd/end.h"
#endif
