#include "../simd/common.h"

#if ADZE_X86
#include "../simd/avx2.h"
#include "../simd/avx2_bytes.h"
#include "../generic/peak.h"
#include "../generic/peak_pairs.h"
#include "../generic/peak_i8.h"
#include "../simd/end.h"
#endif
