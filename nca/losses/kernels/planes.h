// Flat, padded planes of numbers, and the sums of products that a texture loss consists of.
//
// A convolution treats a padded image as one long row: position t of the result is the sum over
// taps of  weight * in[t + ky * pitch + kx].  The last `size - 1` positions of each row are
// meaningless, and a mask sets them to zero. So no width needs a special case.
//
// The macro COLORS is the number of channels of the images.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>

#include "lanes.h"

typedef int32_t LooseInts __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

constexpr int ROWS = REGISTERS == 32 ? 8 : 4, WIDTH = SUMS / ROWS;  // of a block of sums in registers; WIDTH in vectors
constexpr int COLOR_ROWS = COLORS == 3 ? 3 : ROWS, COLOR_WIDTH = SUMS / COLOR_ROWS;
constexpr int TILE = REGISTERS == 32 ? 4 : 3;                       // side of a block of inner products
constexpr int CHUNK = 1024;                                         // so many positions of TILE planes fit in L1
constexpr int64_t SLACK = COLOR_WIDTH * LANES;                      // how far a block may end past the last position
constexpr int PLANES = 12;  // features are allocated in multiples of this number, and therefore of TILE

// Round up to an odd number of cache lines: planes a power of two apart would share the same cache sets.
inline int64_t stride_of(int64_t floats) { return (((floats + 15) / 16) | 1) * 16; }

using Buffer = std::unique_ptr<float[]>;
inline Buffer floats(int64_t count) { return Buffer(new float[count + SLACK]); }

// Compute  start(row) + sum over k of weight * in[t + offsets[k]]; call finish(row, t, sum) with LANES
// positions from t on. The layout of the weights is [rows / R][terms][R].
template <int R, int W, class Start, class Finish>
inline void combine(const float* weights, int64_t rows, int64_t terms, const float* in, const int32_t* offsets,
                    int64_t positions, Start start, Finish finish) {
    for (int64_t t = 0; t < positions; t += W * LANES)
        for (int64_t first = 0; first < rows; first += R) {
            const float* left = weights + first * terms;
            Floats sum[R][W];
            UNROLL for (int i = 0; i < R; ++i) {
                const Floats begin = broadcast(first + i < rows ? start(first + i) : 0);
                UNROLL for (int j = 0; j < W; ++j) sum[i][j] = begin;
            }
            for (int64_t k = 0; k < terms; ++k, left += R) {
                Floats row[W];
                UNROLL for (int j = 0; j < W; ++j) {
                    row[j] = load(in + offsets[k] + t + j * LANES);
                    pin(row[j]);
                }
                UNROLL for (int i = 0; i < R; ++i)
                    UNROLL for (int j = 0; j < W; ++j) sum[i][j] = dot(left[i], row[j], sum[i][j]);
            }
            UNROLL for (int i = 0; i < R; ++i) {
                if (first + i >= rows) continue;
                UNROLL for (int j = 0; j < W; ++j) finish(first + i, t + j * LANES, sum[i][j]);
            }
        }
}

inline float total(Floats v) {
    float part[LANES];
    store(part, v);
    UNROLL for (int width = LANES / 2; width > 0; width /= 2)
        UNROLL for (int i = 0; i < width; ++i) part[i] += part[i + width];
    return part[0];
}

// Inner products of all pairs of planes and, in the last column, sums of planes, all times `scale`:
// moments[count][count + 1].
// `tiles` holds (count / TILE + 1)**2 * TILE**2 / 2 vectors.
inline void inner_products(const float* planes, int64_t stride, int64_t count, int64_t positions, float scale,
                           float* tiles, float* moments) {
    const int64_t sides = (count + TILE - 1) / TILE;
    for (int64_t chunk = 0; chunk < positions; chunk += CHUNK) {
        const int64_t end = std::min<int64_t>(chunk + CHUNK, positions);
        float* tile = tiles;
        for (int64_t a = 0; a < sides; ++a)
            for (int64_t b = a; b < sides; ++b, tile += TILE * TILE * LANES) {
                const float *left = planes + a * TILE * stride, *right = planes + b * TILE * stride;
                Floats sum[TILE][TILE];
                UNROLL for (int i = 0; i < TILE; ++i)
                    UNROLL for (int j = 0; j < TILE; ++j)
                        sum[i][j] = chunk ? load(tile + (i * TILE + j) * LANES) : Floats{};
                for (int64_t t = chunk; t < end; t += LANES) {
                    Floats column[TILE];
                    UNROLL for (int j = 0; j < TILE; ++j) {
                        column[j] = load(right + j * stride + t);
                        pin(column[j]);
                    }
                    UNROLL for (int i = 0; i < TILE; ++i) {
                        Floats value = load(left + i * stride + t);
                        pin(value);
                        UNROLL for (int j = 0; j < TILE; ++j) sum[i][j] = value * column[j] + sum[i][j];
                    }
                }
                UNROLL for (int i = 0; i < TILE; ++i)
                    UNROLL for (int j = 0; j < TILE; ++j) store(tile + (i * TILE + j) * LANES, sum[i][j]);
            }
    }
    const float* tile = tiles;
    for (int64_t a = 0; a < sides; ++a)
        for (int64_t b = a; b < sides; ++b, tile += TILE * TILE * LANES)
            for (int64_t i = a * TILE; i < std::min<int64_t>(a * TILE + TILE, count); ++i)
                for (int64_t j = std::max(i, b * TILE); j < std::min<int64_t>(b * TILE + TILE, count); ++j) {
                    const float product = total(load(tile + ((i - a * TILE) * TILE + j - b * TILE) * LANES)) * scale;
                    moments[i * (count + 1) + j] = moments[j * (count + 1) + i] = product;
                }
    for (int64_t i = 0; i < count; ++i) {
        Floats sum{};
        for (int64_t t = 0; t < positions; t += LANES) sum += load(planes + i * stride + t);
        moments[i * (count + 1) + count] = total(sum) * scale;
    }
}

inline int64_t modulo(int64_t i, int64_t n) { return (i % n + n) % n; }

// Fill the border of a padded plane from the opposite side of its interior.
inline void wrap(float* plane, int64_t height, int64_t width, int64_t pad) {
    const int64_t pitch = width + 2 * pad;
    for (int64_t y = pad; y < height + pad; ++y)
        for (int64_t x = 0; x < pad; ++x) {
            float* row = plane + y * pitch + pad;
            row[x - pad] = row[modulo(x - pad, width)];
            row[width + x] = row[x % width];
        }
    for (int64_t y = -pad; y < height + pad; ++y)
        if (y < 0 || y >= height)
            std::memcpy(plane + (y + pad) * pitch, plane + (modulo(y, height) + pad) * pitch, pitch * sizeof(float));
}

// The transpose of wrap: add the border to the cells of the interior that it was copied from.
inline void unwrap(float* plane, int64_t height, int64_t width, int64_t pad) {
    const int64_t pitch = width + 2 * pad;
    for (int64_t y = -pad; y < height + pad; ++y)
        if (y < 0 || y >= height) {
            const float* from = plane + (y + pad) * pitch;
            float* to = plane + (modulo(y, height) + pad) * pitch;
            for (int64_t x = 0; x < pitch; ++x) to[x] += from[x];
        }
    for (int64_t y = pad; y < height + pad; ++y)
        for (int64_t x = 0; x < pad; ++x) {
            float* row = plane + y * pitch + pad;
            row[modulo(x - pad, width)] += row[x - pad];
            row[x % width] += row[width + x];
        }
}

// Blur with [1, 3, 3, 1] / 8 along both axes, and keep every second position. Past its border, the plane
// wraps around or is mirrored.
class Halving {
   public:
    Halving(int64_t height, int64_t width, bool wraps)
        : width(width), rows(height / 2), columns(width / 2), height(height), wraps(wraps), row(floats(width)) {}

    void forward(const float* from, float* to) {
        for (int64_t y = 0; y < rows; ++y) {
            const float* four[4];
            for (int a = 0; a < 4; ++a) four[a] = from + place(2 * y - 1 + a, height) * width;
            for (int64_t x = 0; x < width; ++x) row[x] = OUTER * (four[0][x] + four[3][x]) + INNER * (four[1][x] + four[2][x]);
            for (int64_t x = 0; x < columns; ++x)
                to[y * columns + x] = OUTER * (at(2 * x - 1) + at(2 * x + 2)) + INNER * (at(2 * x) + at(2 * x + 1));
        }
    }

    // The transpose of forward: add the gradient to d_from.
    void backward(const float* d_to, float* d_from) {
        for (int64_t y = 0; y < rows; ++y) {
            std::fill_n(row.get(), width, 0.0f);
            for (int64_t x = 0; x < columns; ++x) {
                const float outer = OUTER * d_to[y * columns + x], inner = INNER * d_to[y * columns + x];
                at(2 * x - 1) += outer;
                at(2 * x) += inner;
                at(2 * x + 1) += inner;
                at(2 * x + 2) += outer;
            }
            for (int a = 0; a < 4; ++a) {
                const float tap = a == 0 || a == 3 ? OUTER : INNER;
                float* to = d_from + place(2 * y - 1 + a, height) * width;
                for (int64_t x = 0; x < width; ++x) to[x] += tap * row[x];
            }
        }
    }

   private:
    static constexpr float OUTER = 0.125f, INNER = 0.375f;
    int64_t width, rows, columns, height;
    bool wraps;
    Buffer row;

    float& at(int64_t x) { return row[x > 0 && x < width ? x : place(x, width)]; }
    int64_t place(int64_t i, int64_t n) const {
        if (wraps) return modulo(i, n);
        return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
    }
};
