// The feature layers, and the sizes of their inputs and outputs.
#pragma once

#include <vector>

#include "planes.h"

constexpr int64_t NET = -1;  // level of the network's layers, which do not read the pyramid

// A convolution with ReLU. Layers of the network are separated by 2x2 mean pooling. For its responses x, a layer
// on a pyramid level outputs relu(x), relu(-x), the colors and a plane of ones. Weights are in the order that
// `combine` expects.
struct Layer {
    int64_t size, inputs, filters, level;           // size: side of the filters; inputs: number of input channels
    const float *weights, *back_weights, *bias;  // back_weights: weights for the backward pass
};

struct Problem {
    int64_t batch, height, width, wraps, threads, layer_count;
    const Layer* layers;
    const float *matrix, *mean;  // of the color normalization
    float* features;             // batch * texture_floats
};

struct Shape {
    int64_t height, width, pad, rows, pitch;   // of the input; rows and pitch: height and width with padding
    int64_t out_height, out_width, positions;  // positions: up to the end of the last row, including unused ones
    int64_t channels, middle, margin;          // of the output; index of a filter's middle; zeros before a gradient
    int64_t in_stride, feature_stride, gradient_stride;

    Shape(const Layer& layer, int64_t height, int64_t width, bool wraps) : height(height), width(width) {
        middle = layer.size / 2;
        pad = wraps ? middle : 0;
        rows = height + 2 * pad;
        pitch = width + 2 * pad;
        out_height = rows - layer.size + 1;
        out_width = pitch - layer.size + 1;
        positions = out_height * pitch;
        channels = layer.level == NET ? layer.filters : 2 * layer.filters + COLORS + 1;
        margin = (layer.size - 1) * (pitch + 1);
        in_stride = stride_of(rows * pitch + layer.size + SLACK);
        feature_stride = stride_of(positions + SLACK);
        gradient_stride = stride_of(margin + rows * pitch + 2 * SLACK);
    }
    bool possible() const { return std::min(height, width) >= std::max<int64_t>(pad, 1) && std::min(out_height, out_width) > 0; }
    int64_t padded_channels() const { return (channels + PLANES - 1) / PLANES * PLANES; }
    int64_t floats() const { return padded_channels() * feature_stride; }
    int64_t valid_count() const { return out_height * out_width; }  // number of positions without the unused ones
};

inline std::vector<Shape> shapes_of(const Problem& p) {
    std::vector<Shape> shapes;
    int64_t height = p.height, width = p.width;
    bool first = true;
    for (int64_t i = 0; i < p.layer_count; ++i) {
        const Layer& layer = p.layers[i];
        if (layer.level == NET) {
            if (!first) height /= 2, width /= 2;
            first = false;
            shapes.emplace_back(layer, height, width, p.wraps);
            height = shapes.back().out_height;
            width = shapes.back().out_width;
        } else {
            shapes.emplace_back(layer, p.height >> layer.level, p.width >> layer.level, p.wraps);
        }
    }
    return shapes;
}

inline int64_t floats_per_sample(const Problem& p) {
    int64_t sum = 0;
    for (const Shape& shape : shapes_of(p)) sum += shape.floats();
    return sum;
}
