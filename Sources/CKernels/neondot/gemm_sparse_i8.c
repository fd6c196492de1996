#include "../simd/common.h"

#if ADZE_ARM
#define TILE_ROWS 12
#define PAIRS 0
#include "../simd/neondot.h"
#include "../simd/neon_bytes.h"
#include "../simd/neon_words.h"

#include "../generic/gemm_sparse_i8.h"
#include "../simd/end.h"
#endif
