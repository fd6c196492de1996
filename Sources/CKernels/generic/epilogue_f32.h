// The epilogue of products that finish their sums in C.

/// Biases and clamp of rows [row, row_end), columns [column, column + columns).
static __attribute__((unused)) void finish_part(
  const adze_epilogue_f32 *e, float *c, ptrdiff_t stride, ptrdiff_t row, ptrdiff_t row_end, ptrdiff_t column,
  ptrdiff_t columns) {
  if (!e->column_bias && !e->row_bias && !e->clamps) return;
  for (ptrdiff_t r = row; r < row_end; r++) {
    float *y = c + r * stride + column;
    const vf row_bias = v_set1(e->row_bias ? e->row_bias[r] : 0);
    for (ptrdiff_t j = 0; j < columns; j += VL) {
      const ptrdiff_t part = least(VL, columns - j);
      vf x = v_load_part(y + j, part);
      if (e->column_bias) x = x + v_load_part(e->column_bias + column + j, part);
      if (e->row_bias) x = x + row_bias;
      if (e->clamps) x = v_min(v_set1(e->maximum), v_max(v_set1(e->minimum), x));
      v_store_part(y + j, x, part);
    }
  }
}

/// The activation of finished rows, columns [column, end).
static __attribute__((unused)) void activate_part(
  const adze_epilogue_f32 *e, float *c, ptrdiff_t stride, ptrdiff_t row, ptrdiff_t row_end, ptrdiff_t column,
  ptrdiff_t end) {
  if (!e->activation || column >= end) return;
  for (; row < row_end; row++) {
    float *y = c + row * stride + column;
    e->activation(y, y, end - column, e->alpha, e->beta);
  }
}
