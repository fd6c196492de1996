#include "../simd/common.h"

#if ADZE_ARM
#include "../simd/neon.h"
#include "../simd/neon_lookup.h"
#include "../generic/images_i8.h"
#include "../simd/end.h"
#endif
