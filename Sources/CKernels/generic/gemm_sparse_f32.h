// Product with weights of which any may be missing, vectorised over the rows of A. The including file sets VECTORS, the
// vectors of rows that go together.
//
// A's rows are turned to [k][rows] in scratch memory first; a weight then multiplies whole vectors. k is cut into chunks,
// so that their rows of A stay in the first cache while a panel of columns goes over them.
//
// Packed: byte offsets of the panels (int64, one more than panels); of a panel, chunk by chunk, the ends of its columns'
// entries [chunks][ADZE_SPARSE_PANEL] (int32, counted from the panel's first entry), then the entries.
#include "epilogue_f32.h"

#define ROWS (VECTORS * VL)
// With 64 rows a chunk fills the first cache; half as many elements of k would load and store every column's sums twice as often.
#define CHUNK (ROWS < 64 ? 6144 / ROWS : 192)
#define COLUMNS ADZE_SPARSE_PANEL

typedef struct {
  int32_t k;  // inside the chunk
  float weight;
} sparse_entry;

typedef struct {
  const int32_t *ends;
  const sparse_entry *entries;
} sparse_panel;

ALWAYS_INLINE ptrdiff_t chunk_count(ptrdiff_t k) { return (k + CHUNK - 1) / CHUNK; }

ALWAYS_INLINE sparse_panel sparse_panel_at(const void *packed, ptrdiff_t k, ptrdiff_t panel) {
  const void *start = (const char *)packed + ((const int64_t *)packed)[panel];
  const int32_t *ends = start;
  const void *entries = ends + chunk_count(k) * COLUMNS;
  return (sparse_panel){ends, entries};
}

/// Rows of A as [k][vectors * VL]; rows past `rows` are zero.
static void turn_rows(const adze_gemm_sparse_f32 *g, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t width, float *to) {
  const ptrdiff_t k_tiles = g->k / TRANSPOSE_TILE * TRANSPOSE_TILE;
  for (ptrdiff_t r = 0; r < width; r += TRANSPOSE_TILE) {
    const float *from = g->a + (row + r) * g->a_row_stride;
    ptrdiff_t k = 0;
    if (r + TRANSPOSE_TILE <= rows) {
      for (; k < k_tiles; k += TRANSPOSE_TILE) v_transpose(from + k, g->a_row_stride, to + k * width + r, width);
    }
    for (; k < g->k; k++) {
      for (ptrdiff_t i = 0; i < TRANSPOSE_TILE; i++) {
        to[k * width + r + i] = r + i < rows ? from[i * g->a_row_stride + k] : 0;
      }
    }
  }
}

/// One panel: y [COLUMNS][vectors * VL].
ALWAYS_INLINE void sparse_columns(
  const int vectors, const sparse_panel *p, ptrdiff_t k, ptrdiff_t columns, const float *turned, float *y) {
  ptrdiff_t entry = 0;
  for (ptrdiff_t chunk = 0; chunk < chunk_count(k); chunk++) {
    const float *a = turned + chunk * CHUNK * vectors * VL;
    for (ptrdiff_t c = 0; c < columns; c++) {
      const ptrdiff_t end = p->ends[chunk * COLUMNS + c];
      float *to = y + c * vectors * VL;
      vf acc[VECTORS];
      UNROLL for (int v = 0; v < vectors; v++) acc[v] = chunk ? v_load(to + v * VL) : v_set1(0);
      for (; entry < end; entry++) {
        const vf weight = v_set1(p->entries[entry].weight);
        const float *x = a + (ptrdiff_t)p->entries[entry].k * (vectors * VL);
        UNROLL for (int v = 0; v < vectors; v++) acc[v] = v_fma(v_load(x + v * VL), weight, acc[v]);
      }
      UNROLL for (int v = 0; v < vectors; v++) v_store(to + v * VL, acc[v]);
    }
    entry = p->ends[chunk * COLUMNS + COLUMNS - 1];
  }
}

typedef void columns_fn(const sparse_panel *p, ptrdiff_t k, ptrdiff_t columns, const float *turned, float *y);
#define SPARSE_COLUMNS(vectors)                                                                                 \
  static void sparse_columns_##vectors(                                                                        \
    const sparse_panel *p, ptrdiff_t k, ptrdiff_t columns, const float *turned, float *y) {                     \
    sparse_columns(vectors, p, k, columns, turned, y);                                                          \
  }
SPARSE_COLUMNS(1) SPARSE_COLUMNS(2)
#if VECTORS > 2
SPARSE_COLUMNS(3) SPARSE_COLUMNS(4)
static columns_fn *const sparse_widths[] = {sparse_columns_1, sparse_columns_2, sparse_columns_3, sparse_columns_4};
#else
static columns_fn *const sparse_widths[] = {sparse_columns_1, sparse_columns_2};
#endif

/// y [columns][width] to rows of C.
static void store_rows(
  const adze_gemm_sparse_f32 *g, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column, ptrdiff_t columns, ptrdiff_t width,
  const float *y) {
  for (ptrdiff_t r = 0; r < rows; r += TRANSPOSE_TILE) {
    const bool full = r + TRANSPOSE_TILE <= rows;
    float *to = g->c + (row + r) * g->c_row_stride + column;
    ptrdiff_t c = 0;
    for (; full && c + TRANSPOSE_TILE <= columns; c += TRANSPOSE_TILE) {
      v_transpose(y + c * width + r, width, to + c, g->c_row_stride);
    }
    for (; c < columns; c++) {
      for (ptrdiff_t i = 0; i < least(TRANSPOSE_TILE, rows - r); i++) {
        to[i * g->c_row_stride + c] = y[c * width + r + i];
      }
    }
  }
}

/// One row, from A as it lies: the same chains in one lane.
static void sparse_row(const adze_gemm_sparse_f32 *g, ptrdiff_t row, ptrdiff_t panel, ptrdiff_t columns) {
  const sparse_panel p = sparse_panel_at(g->b_packed, g->k, panel);
  float *c = g->c + row * g->c_row_stride + panel * COLUMNS;
  ptrdiff_t entry = 0;
  for (ptrdiff_t chunk = 0; chunk < chunk_count(g->k); chunk++) {
    const float *a = g->a + row * g->a_row_stride + chunk * CHUNK;
    for (ptrdiff_t j = 0; j < columns; j++) {
      const ptrdiff_t end = p.ends[chunk * COLUMNS + j];
      vf acc = v_set1(chunk ? c[j] : 0);
      for (; entry < end; entry++) acc = v_fma(v_set1(a[p.entries[entry].k]), v_set1(p.entries[entry].weight), acc);
      v_store_part(c + j, acc, 1);
    }
    entry = p.ends[chunk * COLUMNS + COLUMNS - 1];
  }
}

void KERNEL(gemm_sparse_f32)(
  const adze_gemm_sparse_f32 *g, float *scratch, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  _Alignas(64) float y[COLUMNS * ROWS];
  const ptrdiff_t column_end = least(panel_end * COLUMNS, g->n);
  for (ptrdiff_t row = row_begin; row < row_end; row += ROWS) {
    const ptrdiff_t rows = least(ROWS, row_end - row), vectors = (rows + VL - 1) / VL;
    const bool single = row_end - row_begin == 1;
    if (!single) turn_rows(g, row, rows, vectors * VL, scratch);
    for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
      const ptrdiff_t column = panel * COLUMNS, columns = least(COLUMNS, column_end - column);
      const sparse_panel p = sparse_panel_at(g->b_packed, g->k, panel);
      if (g->k == 0) for (ptrdiff_t i = 0; i < rows * columns; i++) {
        g->c[(row + i / columns) * g->c_row_stride + column + i % columns] = 0;
      } else if (single) {
        sparse_row(g, row, panel, columns);
      } else {
        sparse_widths[vectors - 1](&p, g->k, columns, scratch, y);
        store_rows(g, row, rows, column, columns, vectors * VL, y);
      }
      finish_part(&g->epilogue, g->c, g->c_row_stride, row, row + rows, column, columns);
    }
    activate_part(&g->epilogue, g->c, g->c_row_stride, row, row + rows, panel_begin * COLUMNS, column_end);
  }
}

/// A matrix to be packed, and where its element (k, n) is.
typedef struct {
  const float *b;
  ptrdiff_t k_stride, n_stride, k, n;
} sparse_source;

/// Makes an entry of `width` neighbouring columns at k, `place` of its chunk. False when all of them are zero.
typedef bool read_entry_fn(const sparse_source *from, ptrdiff_t k, ptrdiff_t column, int32_t place, void *entry);

/// Packs lists of entries, one for each `width` columns, as pack functions do.
ALWAYS_INLINE ptrdiff_t pack_entries(
  const sparse_source *from, ptrdiff_t width, size_t entry_size, read_entry_fn *read, void *packed) {
  const ptrdiff_t panels = (from->n + COLUMNS - 1) / COLUMNS, lists = COLUMNS / width, chunks = chunk_count(from->k);
  const ptrdiff_t entries_start = chunks * lists * (ptrdiff_t)sizeof(int32_t);
  ptrdiff_t at = (panels + 1) * (ptrdiff_t)sizeof(int64_t);
  for (ptrdiff_t panel = 0; panel < panels; panel++) {
    char *start = packed ? (char *)packed + at : NULL;
    if (packed) ((int64_t *)packed)[panel] = at;
    size_t count = 0;
    for (ptrdiff_t list = 0; list < chunks * lists; list++) {
      const ptrdiff_t first = list / lists * CHUNK, column = panel * COLUMNS + list % lists * width;
      for (ptrdiff_t i = first; i < least(from->k, first + CHUNK) && column < from->n; i++) {
        _Alignas(8) char entry[32];
        if (!read(from, i, column, (int32_t)(i - first), entry)) continue;
        if (packed) memcpy(start + entries_start + count * entry_size, entry, entry_size);
        count++;
      }
      if (packed) ((int32_t *)(void *)start)[list] = (int32_t)count;
    }
    at += (entries_start + (ptrdiff_t)(count * entry_size) + 7) / 8 * 8;
  }
  if (packed) ((int64_t *)packed)[panels] = at;
  return at;
}

ALWAYS_INLINE bool read_weight(const sparse_source *from, ptrdiff_t k, ptrdiff_t column, int32_t place, void *entry) {
  const sparse_entry e = {place, from->b[k * from->k_stride + column * from->n_stride]};
  memcpy(entry, &e, sizeof e);
  return e.weight != 0;
}

ptrdiff_t KERNEL(pack_b_sparse_f32)(
  const float *b, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, void *packed) {
  return pack_entries(
    &(sparse_source){b, k_stride, n_stride, k, n}, 1, sizeof(sparse_entry), read_weight, packed);
}
