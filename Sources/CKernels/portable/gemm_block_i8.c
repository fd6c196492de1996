#define PAIRS 0
#include "../simd/portable.h"
#include "../simd/portable_bytes.h"
#include "../generic/gemm_block_i8.h"
