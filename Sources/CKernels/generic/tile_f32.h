// Steps of a register tile of C, which `acc` holds row by row: `rows` x `vectors`, of whose last vectors the first `part`
// elements are real. Each step is one branch for all of them.

/// The last vector of a row can be partial.
ALWAYS_INLINE vf tile_load(const float *p, const bool is_last, ptrdiff_t part) {
  return is_last && part < VL ? v_load_part(p, part) : v_load(p);
}

ALWAYS_INLINE void tile_read(
  const int rows, const int vectors, const float *c, ptrdiff_t c_stride, ptrdiff_t part, vf *acc) {
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      acc[i * vectors + v] = tile_load(c + i * c_stride + v * VL, v == vectors - 1, part);
    }
  }
}

/// Brings the lines of C that will be written.
ALWAYS_INLINE void tile_prefetch(const int rows, const int vectors, const float *c, ptrdiff_t c_stride) {
  UNROLL for (int i = 0; i < rows; i++) {
    __builtin_prefetch(c + i * c_stride, 1);
    __builtin_prefetch(c + i * c_stride + (vectors * VL - 1), 1);
  }
}

/// Adds one value for each column.
ALWAYS_INLINE void tile_add_bias(const int rows, const int vectors, const float *bias, ptrdiff_t part, vf *acc) {
  UNROLL for (int v = 0; v < vectors; v++) {
    const vf b = tile_load(bias + v * VL, v == vectors - 1, part);
    UNROLL for (int i = 0; i < rows; i++) acc[i * vectors + v] = acc[i * vectors + v] + b;
  }
}

ALWAYS_INLINE void tile_clamp(const int rows, const int vectors, float minimum, float maximum, vf *acc) {
  const vf low = v_set1(minimum), high = v_set1(maximum);
  UNROLL for (int i = 0; i < rows * vectors; i++) acc[i] = v_min(high, v_max(low, acc[i]));
}

ALWAYS_INLINE void tile_write(
  const int rows, const int vectors, const vf *acc, ptrdiff_t part, float *c, ptrdiff_t c_stride) {
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < vectors - 1; v++) v_store(c + i * c_stride + v * VL, acc[i * vectors + v]);
  }
  c += (vectors - 1) * VL;
  if (part >= VL) {
    UNROLL for (int i = 0; i < rows; i++) v_store(c + i * c_stride, acc[i * vectors + vectors - 1]);
  } else {
    UNROLL for (int i = 0; i < rows; i++) v_store_part(c + i * c_stride, acc[i * vectors + vectors - 1], part);
  }
}
