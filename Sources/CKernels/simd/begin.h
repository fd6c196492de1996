// What follows, up to end.h, is compiled for the instruction set that ADZE_TARGET names.
#ifdef __clang__
#define ADZE_TEXT(x) #x
#define ADZE_PRAGMA(x) _Pragma(ADZE_TEXT(x))
#define ADZE_PUSH(features) ADZE_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
ADZE_PUSH(ADZE_TARGET)
#else
#pragma GCC push_options
#define ADZE_TEXT(x) #x
#define ADZE_PRAGMA(x) _Pragma(ADZE_TEXT(x))
#define ADZE_PUSH(features) ADZE_PRAGMA(GCC target(features))
ADZE_PUSH(ADZE_TARGET)
#endif
