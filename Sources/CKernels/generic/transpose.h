// Transposition of 32-bit elements by square register tiles.

void KERNEL(transpose_32)(
  const void *x, ptrdiff_t x_stride, void *y, ptrdiff_t y_stride, ptrdiff_t rows, ptrdiff_t columns) {
  const float *from = x;
  float *to = y;
  const ptrdiff_t whole_rows = rows - rows % TRANSPOSE_TILE, whole_columns = columns - columns % TRANSPOSE_TILE;
  for (ptrdiff_t r = 0; r < whole_rows; r += TRANSPOSE_TILE) {
    for (ptrdiff_t c = 0; c < whole_columns; c += TRANSPOSE_TILE) {
      v_transpose(from + r * x_stride + c, x_stride, to + c * y_stride + r, y_stride);
    }
  }
  for (ptrdiff_t r = 0; r < rows; r++) {
    for (ptrdiff_t c = r < whole_rows ? whole_columns : 0; c < columns; c++) {
      memcpy(to + c * y_stride + r, from + r * x_stride + c, sizeof(float));
    }
  }
}
