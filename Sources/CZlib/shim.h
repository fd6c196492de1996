#pragma once
#include <zlib.h>

// zlib's init calls are macros that pass the header's version; Swift cannot call macros.
static inline int adze_inflate_init2(z_stream *stream, int window_bits) {
  return inflateInit2(stream, window_bits);
}

static inline int adze_deflate_init2(z_stream *stream, int level, int window_bits) {
  return deflateInit2(stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
}
