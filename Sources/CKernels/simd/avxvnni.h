// AVX2 with the dot product of bytes.
#define KERNEL(slot) adze_##slot##__avxvnni
#define ADZE_TARGET "avxvnni,avx2,fma"
#include "avx2.h"

/// acc + the four products of each word, a unsigned and b signed bytes.
HELPER vi dot_4(vi acc, vi a, vi b) { return _mm256_dpbusd_avx_epi32(acc, a, b); }
