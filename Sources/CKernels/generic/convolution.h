// Windows that slide over an image: im2col, depthwise convolution, pooling. One channel at a time.

/// Output columns [*begin, *end) whose window column kx lies inside the image.
ALWAYS_INLINE void inside(
  ptrdiff_t offset, ptrdiff_t stride, ptrdiff_t extent, ptrdiff_t count, ptrdiff_t *begin, ptrdiff_t *end) {
  // 0 <= x * stride + offset < extent
  *begin = offset >= 0 ? 0 : least(count, (-offset + stride - 1) / stride);
  *end = extent <= offset ? 0 : least(count, (extent - offset + stride - 1) / stride);
  if (*end < *begin) *end = *begin;
}

/// x[0], x[stride] …, `count` <= VL of them.
ALWAYS_INLINE vf load_strided(const float *x, ptrdiff_t stride, ptrdiff_t count) {
  if (stride == 1) return count < VL ? v_load_part(x, count) : v_load(x);
  float lanes[VL] = {0};
  for (ptrdiff_t i = 0; i < count; i++) lanes[i] = x[i * stride];
  return v_load(lanes);
}

ALWAYS_INLINE void store_part(float *y, vf v, ptrdiff_t count) {
  if (count < VL) v_store_part(y, v, count);
  else v_store(y, v);
}

void KERNEL(im2col_pack_b_f32)(
  const adze_window2d *w, const float *image, float *packed, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  const ptrdiff_t panel_width = 2 * VL, taps = w->kernel_height * w->kernel_width, depth = w->channels * taps;
  const ptrdiff_t pixels = w->output_height * w->output_width, plane = w->height * w->width;
  for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
    float *to = packed + panel * panel_width * depth;
    const ptrdiff_t first = panel * panel_width, last = least(first + panel_width, pixels);
    memset(to, 0, (size_t)(depth * panel_width) * sizeof *to);
    // Runs of pixels in one output row; for each, every tap of every channel.
    for (ptrdiff_t pixel = first; pixel < last;) {
      const ptrdiff_t y = pixel / w->output_width, x = pixel % w->output_width;
      const ptrdiff_t run = least(last - pixel, w->output_width - x);
      for (ptrdiff_t tap = 0; tap < taps; tap++) {
        const ptrdiff_t iy = y * w->stride_height - w->pad_top + tap / w->kernel_width * w->dilation_height;
        const ptrdiff_t ix = x * w->stride_width - w->pad_left + tap % w->kernel_width * w->dilation_width;
        ptrdiff_t begin, end;
        inside(ix, w->stride_width, w->width, run, &begin, &end);
        if (iy < 0 || iy >= w->height || begin == end) continue;
        const float *from = image + iy * w->width + ix + begin * w->stride_width;
        float *row = to + tap * panel_width + (pixel - first) + begin;
        for (ptrdiff_t c = 0; c < w->channels; c++, from += plane, row += taps * panel_width) {
          if (w->stride_width == 1) for (ptrdiff_t i = 0; i < end - begin; i++) row[i] = from[i];
          else for (ptrdiff_t i = 0; i < end - begin; i++) row[i] = from[i * w->stride_width];
        }
      }
      pixel += run;
    }
  }
}

void KERNEL(im2col_8)(
  const adze_window2d *w, const uint8_t *image, uint8_t padding, uint8_t *columns, ptrdiff_t row_begin,
  ptrdiff_t row_end) {
  const ptrdiff_t taps = w->kernel_height * w->kernel_width, pixels = w->output_height * w->output_width;
  for (ptrdiff_t r = row_begin; r < row_end; r++) {
    const uint8_t *plane = image + r / taps * w->height * w->width;
    const ptrdiff_t ky = r % taps / w->kernel_width * w->dilation_height - w->pad_top;
    const ptrdiff_t kx = r % taps % w->kernel_width * w->dilation_width - w->pad_left;
    ptrdiff_t begin, end;
    inside(kx, w->stride_width, w->width, w->output_width, &begin, &end);
    uint8_t *to = columns + r * pixels;
    for (ptrdiff_t y = 0; y < w->output_height; y++, to += w->output_width) {
      const ptrdiff_t iy = y * w->stride_height + ky;
      if (iy < 0 || iy >= w->height) {
        memset(to, padding, (size_t)w->output_width);
        continue;
      }
      const uint8_t *from = plane + iy * w->width + kx;
      memset(to, padding, (size_t)begin);
      if (w->stride_width == 1) memcpy(to + begin, from + begin, (size_t)(end - begin));
      else for (ptrdiff_t x = begin; x < end; x++) to[x] = from[x * w->stride_width];
      memset(to + end, padding, (size_t)(w->output_width - end));
    }
  }
}

/// y[x] = step(y[x], tap of the image, weight) for every tap of one output row, taps in ascending order.
#define FOR_TAPS(w, image, row, body)                                                                          \
  for (ptrdiff_t ky = 0; ky < (w)->kernel_height; ky++) {                                                      \
    const ptrdiff_t iy = (row) * (w)->stride_height - (w)->pad_top + ky * (w)->dilation_height;                \
    if (iy < 0 || iy >= (w)->height) continue;                                                                 \
    for (ptrdiff_t kx = 0; kx < (w)->kernel_width; kx++) {                                                     \
      const ptrdiff_t offset = kx * (w)->dilation_width - (w)->pad_left;                                       \
      ptrdiff_t begin, end;                                                                                    \
      inside(offset, (w)->stride_width, (w)->width, (w)->output_width, &begin, &end);                          \
      const float *from = (image) + iy * (w)->width + offset;                                                  \
      for (ptrdiff_t x = begin; x < end; x += VL) {                                                            \
        const ptrdiff_t count = least(VL, end - x);                                                            \
        const vf tap = load_strided(from + x * (w)->stride_width, (w)->stride_width, count);                   \
        body                                                                                                   \
      }                                                                                                        \
    }                                                                                                          \
  }

ALWAYS_INLINE vf load_part(const float *y, ptrdiff_t count) { return count < VL ? v_load_part(y, count) : v_load(y); }

ALWAYS_INLINE void fill(float *y, ptrdiff_t n, float value) {
  for (ptrdiff_t i = 0; i < n; i++) y[i] = value;
}

/// Output pixels [begin, end) of a row whose 3x3 windows, stride 1, lie wholly inside the image.
ALWAYS_INLINE void depthwise_3x3(
  const float *corner, ptrdiff_t width, const float *weights, float bias, vf minimum, vf maximum, float *y,
  ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t x = begin; x < end; x += VL) {
    const ptrdiff_t count = least(VL, end - x);
    vf sum = v_set1(bias);
    UNROLL for (int ky = 0; ky < 3; ky++) {
      UNROLL for (int kx = 0; kx < 3; kx++) {
        sum = v_fma(load_part(corner + ky * width + x + kx, count), v_set1(weights[ky * 3 + kx]), sum);
      }
    }
    store_part(y + x, v_min(maximum, v_max(minimum, sum)), count);
  }
}

void KERNEL(depthwise_f32)(
  const adze_window2d *w, const float *image, const float *weights, float bias, float minimum, float maximum,
  float *y, ptrdiff_t row_begin, ptrdiff_t row_end) {
  const vf low = v_set1(minimum), high = v_set1(maximum);
  const bool is_3x3 = w->kernel_height == 3 && w->kernel_width == 3 && w->stride_width == 1
    && w->dilation_height == 1 && w->dilation_width == 1 && w->pad_left == 0 && w->output_width + 2 <= w->width;
  for (ptrdiff_t row = row_begin; row < row_end; row++) {
    float *to = y + row * w->output_width;
    const ptrdiff_t top = row * w->stride_height - w->pad_top;
    if (is_3x3 && top >= 0 && top + 3 <= w->height) {
      depthwise_3x3(image + top * w->width, w->width, weights, bias, low, high, to, 0, w->output_width);
      continue;
    }
    fill(to, w->output_width, bias);
    FOR_TAPS(w, image, row, {
      const vf weight = v_set1(weights[ky * w->kernel_width + kx]);
      store_part(to + x, v_fma(tap, weight, load_part(to + x, count)), count);
    })
    for (ptrdiff_t x = 0; x < w->output_width; x += VL) {
      const ptrdiff_t count = least(VL, w->output_width - x);
      store_part(to + x, v_min(high, v_max(low, load_part(to + x, count))), count);
    }
  }
}

void KERNEL(max_pool_f32)(const adze_window2d *w, const float *image, float *y) {
  for (ptrdiff_t row = 0; row < w->output_height; row++, y += w->output_width) {
    fill(y, w->output_width, -FLT_MAX);
    FOR_TAPS(w, image, row, {
      const vf acc = load_part(y + x, count);
      store_part(y + x, v_select(v_is_nan(acc), acc, v_max(acc, tap)), count);
    })
  }
}

/// Window elements along one axis that lie in [low, high).
ALWAYS_INLINE ptrdiff_t window_count(
  ptrdiff_t start, ptrdiff_t dilation, ptrdiff_t kernel, ptrdiff_t low, ptrdiff_t high) {
  ptrdiff_t count = 0;
  for (ptrdiff_t i = 0; i < kernel; i++) {
    const ptrdiff_t at = start + i * dilation;
    count += at >= low && at < high;
  }
  return count;
}

void KERNEL(average_pool_f32)(
  const adze_window2d *w, const float *image, bool includes_padding, ptrdiff_t pad_bottom, ptrdiff_t pad_right,
  float *y) {
  const ptrdiff_t top = includes_padding ? -w->pad_top : 0, left = includes_padding ? -w->pad_left : 0;
  const ptrdiff_t bottom = w->height + (includes_padding ? pad_bottom : 0);
  const ptrdiff_t right = w->width + (includes_padding ? pad_right : 0);
  for (ptrdiff_t row = 0; row < w->output_height; row++, y += w->output_width) {
    fill(y, w->output_width, 0);
    FOR_TAPS(w, image, row, { store_part(y + x, load_part(y + x, count) + tap, count); })
    const ptrdiff_t start = row * w->stride_height - w->pad_top;
    const ptrdiff_t rows = window_count(start, w->dilation_height, w->kernel_height, top, bottom);
    for (ptrdiff_t x = 0; x < w->output_width; x++) {
      const ptrdiff_t ix = x * w->stride_width - w->pad_left;
      y[x] /= (float)(rows * window_count(ix, w->dilation_width, w->kernel_width, left, right));
    }
  }
}
