// AVX-512 with the dot product of bytes.
#define KERNEL(slot) adze_##slot##__avx512vnni
#define ADZE_TARGET "avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
#include "avx512.h"

/// acc + the four products of each word, a unsigned and b signed bytes.
HELPER vi dot_4(vi acc, vi a, vi b) { return _mm512_dpbusd_epi32(acc, a, b); }
