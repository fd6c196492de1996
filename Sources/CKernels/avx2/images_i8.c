#include "../simd/common.h"

#if ADZE_X86
#include "../simd/avx2.h"
#include "../simd/avx2_lookup.h"
#include "../generic/images_i8.h"
#include "../simd/end.h"
#endif
