#include "../simd/common.h"

#if ADZE_ARM
#include "../simd/neon.h"
#include "../generic/quantize.h"
#include "../simd/end.h"
#endif
