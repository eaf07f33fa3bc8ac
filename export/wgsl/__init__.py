"""WGSL modules for WebGPU, and a program that runs them with wgpu."""
