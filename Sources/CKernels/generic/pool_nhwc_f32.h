// Pooling of NHWC images: vectors of channels, four at a time.

enum { POOL_GREATEST, POOL_SUM };

/// The greatest elements of the taps if the sum of all of them is a number, so that none is NaN; else nothing. An
/// addition costs less than to ask each tap.
ALWAYS_INLINE bool pool_greatest(
  const int vectors, const float *from, ptrdiff_t row, ptrdiff_t column, ptrdiff_t rows, ptrdiff_t columns, float *y) {
  vf acc[4], sum[4];
  UNROLL for (int v = 0; v < vectors; v++) acc[v] = v_set1(-FLT_MAX), sum[v] = v_set1(0);
  for (ptrdiff_t ky = 0; ky < rows; ky++, from += row) {
    const float *tap = from;
    for (ptrdiff_t kx = 0; kx < columns; kx++, tap += column) {
      UNROLL for (int v = 0; v < vectors; v++) {
        const vf x = v_load(tap + v * VL);
        acc[v] = v_max(acc[v], x);
        sum[v] = sum[v] + x;
      }
    }
  }
  vf total = sum[0];
  UNROLL for (int v = 1; v < vectors; v++) total = total + sum[v];
  const float check = v_sum(total);
  if (check != check) return false;
  UNROLL for (int v = 0; v < vectors; v++) v_store(y + v * VL, acc[v]);
  return true;
}

/// One vector group of one pixel: taps [row_begin, row_end) x [column_begin, column_end) under `from`.
ALWAYS_INLINE void pool_vectors(
  const int kind, const int vectors, const float *from, ptrdiff_t row, ptrdiff_t column, ptrdiff_t rows,
  ptrdiff_t columns, vf count, float *y, const ptrdiff_t part) {
  vf acc[4];
  UNROLL for (int v = 0; v < vectors; v++) acc[v] = v_set1(kind == POOL_SUM ? 0 : -FLT_MAX);
  for (ptrdiff_t ky = 0; ky < rows; ky++, from += row) {
    const float *tap = from;
    for (ptrdiff_t kx = 0; kx < columns; kx++, tap += column) {
      UNROLL for (int v = 0; v < vectors; v++) {
        const vf x = load_lanes(tap + v * VL, part);
        // NaN stays: v_max gives its second operand when either is.
        acc[v] = kind == POOL_SUM ? acc[v] + x : v_select(v_is_nan(acc[v]), acc[v], v_max(acc[v], x));
      }
    }
  }
  UNROLL for (int v = 0; v < vectors; v++) store_lanes(y + v * VL, kind == POOL_SUM ? acc[v] / count : acc[v], part);
}

/// Window elements from `start` on that lie in [low, high).
ALWAYS_INLINE ptrdiff_t counted_taps(
  ptrdiff_t start, ptrdiff_t dilation, ptrdiff_t kernel, ptrdiff_t low, ptrdiff_t high) {
  ptrdiff_t begin, end;
  taps_inside(start - low, dilation, high - low, kernel, &begin, &end);
  return end - begin;
}

ALWAYS_INLINE void pool_line(const int kind, const adze_pool2d_f32 *p, ptrdiff_t line) {
  const adze_window2d *w = &p->window;
  const ptrdiff_t top = line % w->output_height * w->stride_height - w->pad_top;
  const ptrdiff_t row = w->dilation_height * w->width * p->x_pixel_stride, column = w->dilation_width * p->x_pixel_stride;
  const bool pads = p->includes_padding;
  const ptrdiff_t low = pads ? -w->pad_left : 0, high = w->width + (pads ? p->pad_right : 0);
  const ptrdiff_t counted_rows = counted_taps(
    top, w->dilation_height, w->kernel_height, pads ? -w->pad_top : 0, w->height + (pads ? p->pad_bottom : 0));
  ptrdiff_t row_begin, row_end;
  taps_inside(top, w->dilation_height, w->height, w->kernel_height, &row_begin, &row_end);
  const float *image = p->x + line / w->output_height * p->x_image_stride;
  for (ptrdiff_t x = 0; x < w->output_width; x++) {
    const ptrdiff_t left = x * w->stride_width - w->pad_left;
    ptrdiff_t begin, end;
    taps_inside(left, w->dilation_width, w->width, w->kernel_width, &begin, &end);
    const ptrdiff_t counted = kind == POOL_SUM
      ? counted_rows * counted_taps(left, w->dilation_width, w->kernel_width, low, high) : 1;
    const vf count = v_set1((float)counted);
    const ptrdiff_t first = (top + row_begin * w->dilation_height) * w->width + left + begin * w->dilation_width;
    const float *from = image + first * p->x_pixel_stride;
    float *y = p->y + (line * w->output_width + x) * p->y_pixel_stride;
    const ptrdiff_t rows = row_end - row_begin, columns = end - begin;
    ptrdiff_t c = 0;
    for (; c + 4 * VL <= w->channels; c += 4 * VL) {
      if (kind == POOL_GREATEST && pool_greatest(4, from + c, row, column, rows, columns, y + c)) continue;
      pool_vectors(kind, 4, from + c, row, column, rows, columns, count, y + c, VL);
    }
    for (; c + VL <= w->channels; c += VL) pool_vectors(kind, 1, from + c, row, column, rows, columns, count, y + c, VL);
    if (c < w->channels) pool_vectors(kind, 1, from + c, row, column, rows, columns, count, y + c, w->channels - c);
  }
}

void KERNEL(max_pool_nhwc_f32)(const adze_pool2d_f32 *p, ptrdiff_t line_begin, ptrdiff_t line_end) {
  for (ptrdiff_t line = line_begin; line < line_end; line++) pool_line(POOL_GREATEST, p, line);
}

void KERNEL(average_pool_nhwc_f32)(const adze_pool2d_f32 *p, ptrdiff_t line_begin, ptrdiff_t line_end) {
  for (ptrdiff_t line = line_begin; line < line_end; line++) pool_line(POOL_SUM, p, line);
}
