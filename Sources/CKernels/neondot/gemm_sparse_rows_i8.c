#include "../simd/common.h"

#if ADZE_ARM
#define PAIRS 0
#include "../simd/neondot.h"
#include "../simd/neon_bytes.h"
#include "../simd/neon_words.h"

#include "../generic/gemm_sparse_rows_i8.h"
#include "../simd/end.h"
#endif
