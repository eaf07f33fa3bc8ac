// Agents that follow trails and leave trails: Jones, "Characteristics of Pattern Formation and Evolution
// in Approximations of Physarum Transport Networks", 2010. There, agents move one after another, and a
// cell holds at most one. Here, all move at once, and an agent stays where it is if the cell ahead is
// crowded.
//
// A step consists of MOVE (agents sense, turn and walk), DEPOSIT (one point per agent, added up) and
// TRAIL (the trail spreads, fades and grows). PICTURE draws the trail. Before this source, each pass
// defines its own name. The grid wraps around; row 0 is the bottom of the picture.

uniform ivec2 size;         // of the grid, in cells
uniform sampler2D agents;   // x and y in cells, direction in radians
uniform sampler2D trail;    // x: strength of the trail, y: 1 where there is food
uniform sampler2D counts;   // number of agents in each cell

ivec2 cell(vec2 at) {
  return (ivec2(floor(at)) + size) % size;  // % of a negative number is undefined
}

#ifdef MOVE
uniform uint base;          // hash of step and seed
uniform bool born;          // whether to place the agents, in the first step
uniform float reach;        // distance of the sensors, in cells
uniform float angle;        // between two sensors, in radians
uniform float turn;         // radians per step
uniform float wander;       // range of a random turn in every step, in radians
uniform float crowd;        // number of agents that fill a cell
out vec4 agent;

float uniform_of(uint bits) { return float(bits >> 8u) * exp2(-24.0); }

float smell(vec2 at, float direction) {
  return texelFetch(trail, cell(at + reach * vec2(cos(direction), sin(direction))), 0).x;
}

void main() {
  uvec2 me = uvec2(gl_FragCoord.xy);
  uint bits = nca_hash(me.x + nca_hash(me.y + base));
  vec3 now = texelFetch(agents, ivec2(me), 0).xyz;
  if (born) {
    uint more = nca_hash(bits), most = nca_hash(more);
    now = vec3(vec2(uniform_of(bits), uniform_of(more)) * vec2(size), 6.2831853 * uniform_of(most));
  }
  float left = smell(now.xy, now.z + angle);
  float ahead = smell(now.xy, now.z);
  float right = smell(now.xy, now.z - angle);
  float side = sign(left - right);
  if (ahead < min(left, right)) side = (bits & 1u) == 0u ? 1.0 : -1.0;
  if (ahead > max(left, right)) side = 0.0;
  float direction = now.z + side * turn + wander * (uniform_of(bits) - 0.5);
  vec2 at = now.xy + vec2(cos(direction), sin(direction));
  ivec2 next = cell(at);
  if (next != cell(now.xy) && texelFetch(counts, next, 0).x >= crowd) {
    at = now.xy;
    direction = 6.2831853 * uniform_of(nca_hash(bits));
  }
  agent = vec4(mod(at, vec2(size)), mod(direction, 6.2831853), 0.0);
}
#endif

#ifdef DEPOSIT
uniform int across;         // number of agents per row of the texture

void main() {
  vec2 at = texelFetch(agents, ivec2(gl_VertexID % across, gl_VertexID / across), 0).xy;
  gl_Position = vec4((vec2(cell(at)) + 0.5) / vec2(size) * 2.0 - 1.0, 0.0, 1.0);
  gl_PointSize = 1.0;
}
#endif

#ifdef POINT
out vec4 one;

void main() { one = vec4(1.0); }  // a sum of ones is the same in any order
#endif

#ifdef TRAIL
uniform float decay;        // fraction of the trail that fades in a step
uniform int tool;           // 0: none, 1: food, 2: erase
uniform vec4 stroke;        // the brush moved from x, y to z, w
uniform float radius;       // of the brush
out vec4 result;

bool painted(vec2 at) {
  vec2 line = stroke.zw - stroke.xy, away = at - stroke.xy - 0.5 * line;
  away -= vec2(size) * round(away / vec2(size));
  float along = clamp(dot(away, line) / max(dot(line, line), 1e-6), -0.5, 0.5);
  return length(away - along * line) < radius;
}

void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  ivec2 before = (at + size - 1) % size, after = (at + 1) % size;
  ivec3 columns = ivec3(before.x, at.x, after.x), rows = ivec3(before.y, at.y, after.y);
  float sum = 0.0;
  for (int y = 0; y < 3; y++) {
    for (int x = 0; x < 3; x++) sum += texelFetch(trail, ivec2(columns[x], rows[y]), 0).x;
  }
  float food = texelFetch(trail, at, 0).y;
  bool under = tool != 0 && painted(vec2(at) + 0.5);
  if (under) food = tool == 1 ? 1.0 : 0.0;
  float left = (1.0 - decay) * sum / 9.0 + texelFetch(counts, at, 0).x + food;
  result = vec4(under && tool == 2 ? 0.0 : left, food, 0.0, 1.0);
}
#endif

#ifdef PICTURE
uniform float scale;        // pixels per cell
uniform float mean;         // of the trail
out vec4 color;

vec2 blend(vec2 at) {
  vec2 f = fract(at - 0.5);
  ivec2 a = cell(at - 0.5), b = (a + 1) % size;
  vec2 low = mix(texelFetch(trail, a, 0).xy, texelFetch(trail, ivec2(b.x, a.y), 0).xy, f.x);
  vec2 high = mix(texelFetch(trail, ivec2(a.x, b.y), 0).xy, texelFetch(trail, b, 0).xy, f.x);
  return mix(low, high, f.y);
}

void main() {
  vec2 at = gl_FragCoord.xy / scale;
  vec2 here = blend(at);
  float t = 1.0 - exp(-0.3 * here.x / mean);
  float slope = (1.0 - t) * (blend(at + vec2(0.5, -0.5)).x - here.x) / mean;  // light from above
  vec3 night = vec3(0.020, 0.028, 0.050), moss = vec3(0.16, 0.20, 0.10);
  vec3 yolk = vec3(0.93, 0.66, 0.13), cream = vec3(1.0, 0.95, 0.76);
  color.rgb = mix(night, moss, smoothstep(0.0, 0.35, t));
  color.rgb = mix(color.rgb, yolk, smoothstep(0.2, 0.8, t));
  color.rgb = mix(color.rgb, cream, smoothstep(0.75, 1.0, t));
  color.rgb *= 1.0 + clamp(1.2 * slope, -0.4, 0.4);
  color = vec4(mix(color.rgb, vec3(0.89, 0.27, 0.21), 0.9 * smoothstep(0.3, 0.7, here.y)), 1.0);
}
#endif
