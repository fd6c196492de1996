#include "../simd/common.h"

#if ADZE_ARM
#include "../simd/neon.h"
#include "../generic/unary.h"
#include "../generic/elementwise.h"
#include "../generic/math.h"
#include "../generic/reduce.h"
#include "../simd/end.h"
#endif
