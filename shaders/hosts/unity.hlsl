float4 nca_read(int2 nca_texel) {
  return tex2Dlod(NCA_IMAGE, float4((float2(nca_texel) + 0.5) / NCA_IMAGE_SIZE, 0.0, 0.0));
}

// The next image. nca_brush is the position and the radius of the brush, in cells, and 1 to plant or
// 0 to erase; the radius is 0 if the brush does not touch.
float4 nca_next(int2 nca_texel, float4 nca_brush, bool nca_restart) {
  nca_prepare(NCA_IMAGE_SIZE);
  int2 nca_at;
  int nca_group = nca_group_at(nca_texel, nca_at);
  if (nca_restart || !nca_is_marked()) return nca_initial(nca_texel);
  if (all(nca_texel == nca_pointer_place())) return float4(nca_brush.xyz, 1.0);
  float3 nca_was = nca_read(nca_pointer_place()).xyz;
  float2 nca_from = nca_was.z > 0.0 ? nca_was.xy : nca_brush.xy;
  if (nca_group >= 0 && nca_brushed(nca_at, nca_from, nca_brush.xy, nca_brush.z))
    return nca_encode(nca_brush.w > 0.5 ? nca_plant(nca_group) : (float4)0.0);
  return nca_advance(nca_texel);
}
