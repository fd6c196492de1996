#include "../simd/common.h"

#if ADZE_X86
#define TILE_ROWS 12
#define PAIRS 1
#include "../simd/avx512.h"
#include "../simd/avx512_bytes.h"
#include "../simd/avx512_words.h"

#include "../generic/gemm_sparse_i8.h"
#include "../simd/end.h"
#endif
