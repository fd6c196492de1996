#include "../simd/common.h"

#if ADZE_ARM
#include "../simd/neon.h"
#include "../generic/convolution.h"
#include "../generic/transpose.h"
#include "../simd/end.h"
#endif
