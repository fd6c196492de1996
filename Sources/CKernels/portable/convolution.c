#include "../simd/portable.h"
#include "../generic/convolution.h"
#include "../generic/transpose.h"
