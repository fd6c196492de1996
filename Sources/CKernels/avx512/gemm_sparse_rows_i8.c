#include "../simd/common.h"

#if ADZE_X86
#define PAIRS 1
#include "../simd/avx512.h"
#include "../simd/avx512_bytes.h"
#include "../simd/avx512_words.h"

#include "../generic/gemm_sparse_rows_i8.h"
#include "../simd/end.h"
#endif
