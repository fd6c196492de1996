#include "../simd/portable.h"
#include "../generic/images_i8.h"
