#define VECTORS 4
#include "../simd/portable.h"

#include "../generic/gemm_sparse_f32.h"
#include "../generic/gemm_sparse_quads_f32.h"
