// NEON with the dot product of bytes (SDOT).
#define ADZE_NEONDOT
#define KERNEL(slot) adze_##slot##__neondot
#define ADZE_TARGET "arch=armv8.2-a+dotprod"
#include "neon.h"
