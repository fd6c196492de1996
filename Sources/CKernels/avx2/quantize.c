#include "../simd/common.h"

#if ADZE_X86
#include "../simd/avx2.h"
#include "../generic/quantize.h"
#include "../simd/end.h"
#endif
