// Second moments of the `builtin` features; and, given the gradient of the moments, that of the images.
//
// Features are stored between the two passes; everything else is recomputed. Each sample is computed
// by one thread in a fixed order, so the result does not depend on the number of threads.

#include <atomic>
#include <new>
#include <thread>

#include "layers.h"

namespace {

constexpr int64_t OUT_OF_MEMORY = 1;

// Buffers of one thread, which computes one sample at a time.
class Sample {
   public:
    explicit Sample(const Problem& p) : p(p), shapes(shapes_of(p)) {
        int64_t levels = 0, padded = 0, gradients = 0, colors = 0, widest = 0, terms = 0, cells = 0;
        for (int64_t i = 0; i < p.layer_count; ++i) {
            const Layer& layer = p.layers[i];
            const Shape& shape = shapes[i];
            levels = std::max(levels, layer.level + 1);
            padded = std::max(padded, (layer.inputs + ROWS) * shape.in_stride);
            gradients = std::max(gradients, layer.filters * shape.gradient_stride);
            widest = std::max(widest, shape.padded_channels());
            terms = std::max(terms, std::max(layer.inputs, layer.filters) * layer.size * layer.size);
            colors = std::max(colors, COLORS * shape.feature_stride);
            cells = std::max(cells, shape.positions);
        }
        for (int64_t level = 0; level < levels; ++level) {
            this->levels.push_back(floats(COLORS * plane(level)));
            if (level) halvings.emplace_back(p.height >> (level - 1), p.width >> (level - 1), p.wraps);
        }
        input = floats(padded);
        chain = floats(padded);
        d_output = floats(gradients);
        d_colors = floats(colors);
        tiles = floats((widest / TILE + 1) * (widest / TILE + 1) * TILE * TILE * LANES);
        pairs = floats((widest + ROWS) * widest);
        offsets.resize(std::max(terms, widest));
        valid.resize(cells + 2 * SLACK);
    }

    void forward(const float* image, float* features, float* const* moments, int64_t sample) {
        normalize(image);
        for (size_t level = 1; level < levels.size(); ++level)
            for (int c = 0; c < COLORS; ++c)
                halvings[level - 1].forward(&levels[level - 1][c * plane(level - 1)], &levels[level][c * plane(level)]);
        const Shape* below = nullptr;
        const float* pooled = nullptr;
        for (int64_t i = 0; i < p.layer_count; ++i) {
            const Layer& layer = p.layers[i];
            const Shape& shape = shapes[i];
            if (layer.level == NET && below != nullptr) pool(pooled, *below, layer, shape);
            else pad(std::max<int64_t>(layer.level, 0), shape);
            convolve(layer, shape, features);
            const int64_t n = shape.channels;
            inner_products(features, shape.feature_stride, n, shape.positions, 1.0f / shape.valid_count(), tiles.get(),
                           moments[i] + sample * n * (n + 1));
            if (layer.level == NET) below = &shape, pooled = features;
            features += shape.floats();
        }
    }

    void backward(float* d_image, const float* features, const float* const* d_moments, int64_t sample) {
        for (size_t level = 0; level < levels.size(); ++level) std::fill_n(levels[level].get(), COLORS * plane(level), 0.0f);
        for (const Shape& shape : shapes) features += shape.floats();
        const Shape* above = nullptr;
        for (int64_t i = p.layer_count - 1; i >= 0; --i) {
            const Layer& layer = p.layers[i];
            const Shape& shape = shapes[i];
            features -= shape.floats();
            if (layer.level == NET && above != nullptr) unpool(layer, shape, *above);
            differentiate(layer, shape, features, d_moments[i] + sample * shape.channels * (shape.channels + 1),
                          layer.level == NET && above != nullptr);
            float* d_input = layer.level == NET ? chain.get() : input.get();
            convolve_back(layer, shape, d_input);
            const bool chained = layer.level == NET && i > 0 && p.layers[i - 1].level == NET;
            if (!chained) unpad(std::max<int64_t>(layer.level, 0), shape, d_input);
            if (layer.level == NET) above = &shape;
        }
        for (size_t level = levels.size() - 1; level > 0; --level)
            for (int c = 0; c < COLORS; ++c)
                halvings[level - 1].backward(&levels[level][c * plane(level)], &levels[level - 1][c * plane(level - 1)]);
        for (int c = 0; c < COLORS; ++c)
            for (int64_t t = 0; t < plane(0); ++t) {
                float sum = 0;
                for (int k = 0; k < COLORS; ++k) sum += p.matrix[k * COLORS + c] * levels[0][k * plane(0) + t];
                d_image[c * plane(0) + t] = sum;
            }
    }

   private:
    const Problem& p;
    std::vector<Shape> shapes;
    std::vector<Buffer> levels;  // colors in the forward pass, their gradients in the backward pass
    std::vector<Halving> halvings;
    Buffer input, chain, d_output, d_colors, tiles, pairs;
    std::vector<int32_t> offsets, valid;

    int64_t plane(int64_t level) const { return (p.height >> level) * (p.width >> level); }

    void normalize(const float* image) {
        for (int c = 0; c < COLORS; ++c)
            for (int64_t t = 0; t < plane(0); ++t) {
                float sum = 0;
                for (int k = 0; k < COLORS; ++k) sum += p.matrix[c * COLORS + k] * (image[k * plane(0) + t] - p.mean[k]);
                levels[0][c * plane(0) + t] = sum;
            }
    }

    // Copy a level of the pyramid to the input, with padding.
    void pad(int64_t level, const Shape& s) {
        for (int c = 0; c < COLORS; ++c) {
            float* to = &input[c * s.in_stride];
            for (int64_t y = 0; y < s.height; ++y)
                std::memcpy(to + (y + s.pad) * s.pitch + s.pad, &levels[level][c * plane(level) + y * s.width],
                            s.width * sizeof(float));
            wrap(to, s.height, s.width, s.pad);
        }
    }

    void unpad(int64_t level, const Shape& s, const float* d_input) {
        for (int c = 0; c < COLORS; ++c)
            for (int64_t y = 0; y < s.height; ++y) {
                const float* from = d_input + c * s.in_stride + (y + s.pad) * s.pitch + s.pad;
                float* to = &levels[level][c * plane(level) + y * s.width];
                for (int64_t x = 0; x < s.width; ++x) to[x] += from[x];
            }
    }

    // Copy 2x2 means of the features of the layer below to the input, with padding.
    void pool(const float* features, const Shape& below, const Layer& layer, const Shape& s) {
        for (int64_t c = 0; c < layer.inputs; ++c) {
            float* to = &input[c * s.in_stride];
            for (int64_t y = 0; y < s.height; ++y) {
                const float* first = features + c * below.feature_stride + 2 * y * below.pitch;
                const float* second = first + below.pitch;
                float* row = to + (y + s.pad) * s.pitch + s.pad;
                for (int64_t x = 0; x < s.width; ++x)
                    row[x] = 0.25f * (first[2 * x] + first[2 * x + 1] + second[2 * x] + second[2 * x + 1]);
            }
            wrap(to, s.height, s.width, s.pad);
        }
    }

    void unpool(const Layer& layer, const Shape& s, const Shape& above) {
        for (int64_t c = 0; c < layer.filters; ++c) {
            float* to = &d_output[c * s.gradient_stride + s.margin];
            std::fill_n(to, s.positions + SLACK, 0.0f);
            for (int64_t y = 0; y < 2 * above.height; ++y) {
                const float* from = &chain[c * above.in_stride + (y / 2 + above.pad) * above.pitch + above.pad];
                float* row = to + y * s.pitch;
                for (int64_t x = 0; x < above.width; ++x) row[2 * x] = row[2 * x + 1] = 0.25f * from[x];
            }
        }
    }

    void convolve(const Layer& layer, const Shape& s, float* features) {
        std::fill(valid.begin(), valid.end(), 0);
        for (int64_t y = 0; y < s.out_height; ++y) std::fill_n(&valid[y * s.pitch], s.out_width, -1);
        taps(layer.inputs, layer.size, s.in_stride, s.pitch, 1);
        const bool both = layer.level != NET;
        combine<ROWS, WIDTH>(
            layer.weights, layer.filters, layer.inputs * layer.size * layer.size, input.get(), offsets.data(), s.positions,
            [&](int64_t row) { return layer.bias[row]; },
            [&](int64_t row, int64_t t, Floats v) {
                const Ints inside = *reinterpret_cast<const LooseInts*>(&valid[t]);
                store(features + row * s.feature_stride + t, keep(inside, relu(v)));
                if (both) store(features + (layer.filters + row) * s.feature_stride + t, keep(inside, relu(-v)));
            });
        if (!both) return;
        for (int c = 0; c <= COLORS; ++c) {
            float* to = features + (2 * layer.filters + c) * s.feature_stride;
            std::fill_n(to, s.positions + SLACK, 0.0f);
            for (int64_t y = 0; y < s.out_height; ++y)
                if (c == COLORS) std::fill_n(to + y * s.pitch, s.out_width, 1.0f);
                else
                    std::memcpy(to + y * s.pitch, &input[c * s.in_stride + (y + s.middle) * s.pitch + s.middle],
                                s.out_width * sizeof(float));
        }
    }

    // Compute the gradient before the ReLU; with `add`, include the one that comes from the layer above.
    void differentiate(const Layer& layer, const Shape& s, const float* features, const float* d_moments, bool add) {
        const int64_t n = s.channels, rows = layer.level == NET ? n : n - 1;  // the ones are constant
        const float scale = 1.0f / s.valid_count();
        for (int64_t first = 0; first < rows; first += ROWS)
            for (int64_t k = 0; k < n; ++k)
                for (int64_t i = first; i < first + ROWS; ++i)
                    pairs[first * n + k * ROWS + i - first] =
                        i < rows ? scale * (d_moments[i * (n + 1) + k] + d_moments[k * (n + 1) + i]) : 0;
        for (int64_t k = 0; k < n; ++k) offsets[k] = static_cast<int32_t>(k * s.feature_stride);
        for (int64_t c = 0; c < layer.filters; ++c) {
            float* whole = &d_output[c * s.gradient_stride];
            std::fill_n(whole, s.margin, 0.0f);
            std::fill_n(whole + s.margin + s.positions, s.gradient_stride - s.margin - s.positions, 0.0f);
        }
        combine<ROWS, WIDTH>(
            pairs.get(), rows, n, features, offsets.data(), s.positions,
            [&](int64_t row) { return scale * d_moments[row * (n + 1) + n]; },
            [&](int64_t row, int64_t t, Floats v) {
                const int64_t filters = layer.filters;
                if (row >= 2 * filters) {  // a color
                    store(&d_colors[(row - 2 * filters) * s.feature_stride + t], v);
                    return;
                }
                float* to = &d_output[row % filters * s.gradient_stride + s.margin + t];
                const Ints active = ~(load(features + row * s.feature_stride + t) <= 0);
                if (add) v += load(to);
                v = keep(active, v);
                store(to, row < filters ? v : load(to) - v);
            });
    }

    void convolve_back(const Layer& layer, const Shape& s, float* d_input) {
        taps(layer.filters, layer.size, s.gradient_stride, s.pitch, -1);
        const auto zero = [](int64_t) { return 0.0f; };
        const auto finish = [&](int64_t row, int64_t t, Floats v) { store(d_input + row * s.in_stride + t, v); };
        const int64_t terms = layer.filters * layer.size * layer.size, positions = s.rows * s.pitch;
        const float* from = d_output.get() + s.margin;
        if (layer.inputs == COLORS)
            combine<COLOR_ROWS, COLOR_WIDTH>(layer.back_weights, COLORS, terms, from, offsets.data(), positions, zero, finish);
        else combine<ROWS, WIDTH>(layer.back_weights, layer.inputs, terms, from, offsets.data(), positions, zero, finish);
        if (layer.level != NET)
            for (int c = 0; c < COLORS; ++c)
                for (int64_t y = 0; y < s.out_height; ++y) {
                    const float* row = &d_colors[c * s.feature_stride + y * s.pitch];
                    float* to = d_input + c * s.in_stride + (y + s.middle) * s.pitch + s.middle;
                    for (int64_t x = 0; x < s.out_width; ++x) to[x] += row[x];
                }
        for (int64_t c = 0; c < layer.inputs; ++c) unwrap(d_input + c * s.in_stride, s.height, s.width, s.pad);
    }

    // Set the offsets of a filter's taps, by plane, then row, then column; the direction is -1 for gradients.
    void taps(int64_t planes, int64_t size, int64_t stride, int64_t pitch, int direction) {
        for (int64_t c = 0, k = 0; c < planes; ++c)
            for (int64_t y = 0; y < size; ++y)
                for (int64_t x = 0; x < size; ++x) offsets[k++] = static_cast<int32_t>(c * stride + direction * (y * pitch + x));
    }
};

template <class Run> int64_t for_each_sample(const Problem& p, Run run) {
    std::atomic<int64_t> next{0};
    std::atomic<bool> failed{false};
    const auto work = [&] {
        try {
            Sample sample(p);
            for (int64_t i; !failed && (i = next++) < p.batch;) run(sample, i);
        } catch (const std::bad_alloc&) {
            failed = true;
        }
    };
    std::vector<std::thread> others;
    try {
        for (int64_t i = 1; i < std::min(p.threads, p.batch); ++i) others.emplace_back(work);
    } catch (...) {  // no more threads can be started; the existing ones do the work
    }
    work();
    for (std::thread& other : others) other.join();
    return failed ? OUT_OF_MEMORY : 0;
}

}  // namespace

extern "C" {

// Number of rows in a block of weights. The gradient of a layer whose inputs are three colors uses blocks of three.
EXPORTED int64_t texture_rows() { return ROWS; }

// Number of floats that the features of a sample take; zero if images of this size are too small for a layer.
EXPORTED int64_t texture_floats(const Problem* p) {
    for (const Shape& shape : shapes_of(*p))
        if (!shape.possible()) return 0;
    return floats_per_sample(*p);
}

// images: [batch, COLORS, height, width]; moments of each layer: [batch, features, features + 1].
EXPORTED int64_t texture_forward(const Problem* p, const float* images, float* const* moments) {
    const int64_t size = floats_per_sample(*p), image = COLORS * p->height * p->width;
    return for_each_sample(*p, [&](Sample& sample, int64_t i) {
        sample.forward(images + i * image, p->features + i * size, moments, i);
    });
}

EXPORTED int64_t texture_backward(const Problem* p, float* d_images, const float* const* d_moments) {
    const int64_t size = floats_per_sample(*p), image = COLORS * p->height * p->width;
    return for_each_sample(*p, [&](Sample& sample, int64_t i) {
        sample.backward(d_images + i * image, p->features + i * size, d_moments, i);
    });
}

}
