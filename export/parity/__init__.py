"""Run exported shaders here and compare them with torch."""
