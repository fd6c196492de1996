#include "../simd/portable.h"
#include "../generic/quantize.h"
