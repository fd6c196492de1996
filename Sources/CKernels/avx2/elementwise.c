#include "../simd/common.h"

#if ADZE_X86
#include "../simd/avx2.h"
#include "../generic/unary.h"
#include "../generic/elementwise.h"
#include "../generic/math.h"
#include "../generic/reduce.h"
#include "../simd/end.h"
#endif
