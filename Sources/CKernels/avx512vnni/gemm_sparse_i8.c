#include "../simd/common.h"

#if ADZE_X86
#define TILE_ROWS 12
#define PAIRS 0
#include "../simd/avx512vnni.h"
#include "../simd/avx512_words.h"

#include "../generic/gemm_sparse_i8.h"
#include "../simd/end.h"
#endif
