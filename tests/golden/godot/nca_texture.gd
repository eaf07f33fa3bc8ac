# golden: a neural cellular automaton, 5 channels, 3 hidden units, 83 weights.
# Rule by: A. Nonymous
# License: CC0-1.0
# Shader made by nca-studio 0.
# Tested as OpenGL compute shaders, not in Godot itself.
extends TextureRect
## Runs a neural cellular automaton on the GPU and shows it: add this script to a TextureRect.
##
## Needs Godot 4.3 or newer with the Forward+ or Mobile renderer. Drag to erase, shift and drag to
## plant, R restarts. All calls of the rendering device are made on the render thread.

const GROUPS := 2
const FORMAT := RenderingDevice.DATA_FORMAT_R32G32B32A32_SFLOAT

## Number of cells across and down.
@export var grid := Vector2i(256, 256)
@export_range(1, 64) var steps_per_frame := 4
## Random seed for cell updates and initial noise.
@export var seed_number := 0
## Radius of the brush, in cells.
@export var brush := 10.0

## Optional fields: an image with one pixel per cell. To use it, remove the "//" before
## "#define NCA_FIELDS" in nca_step.glsl. R is the direction: the texture is turned by 2 pi r / 256,
## clockwise. G is the size: let n = g - 128 and f = 1 + 3 |n| / 127; the pattern is f times as large
## if n >= 0, otherwise 1 / f times as large. B is the pace: the change in each step is multiplied by
## b / 128. A is the share: the probability that the cell fires is multiplied by a / 128, up to 1.
## Neutral values are 0, 128, 128, 128.
@export var fields: Image

## Textures of this frame, for use in other materials. Colors are encoded as sRGB, which Godot does
## not know: in 3D, set "albedo_texture_force_srgb" of the material.
var textures := {
	"color": Texture2DRD.new(),
}

var _device: RenderingDevice
var _field_texture: RID
var _pipelines := {}
var _shaders := {}
var _states: Array[RID] = []
var _drawn: Array[RID] = []
var _sets := {}
var _current := 0
var _step := 0


func _ready() -> void:
	texture = textures["color"]
	texture_repeat = TEXTURE_REPEAT_ENABLED
	RenderingServer.call_on_render_thread(_make)


func _process(_delta: float) -> void:
	RenderingServer.call_on_render_thread(_advance.bind(steps_per_frame))


## Erases around a place of the texture, or plants if tool is 1. (0, 0) is the upper left corner of
## the texture, (1, 1) the lower right one.
func paint(uv: Vector2, tool := 0) -> void:
	RenderingServer.call_on_render_thread(_paint.bind(tool, uv * Vector2(grid), brush))


func _gui_input(event: InputEvent) -> void:
	if event is InputEventMouse and event.button_mask & MOUSE_BUTTON_MASK_LEFT:
		paint(event.position / size, 1 if event.shift_pressed else 0)


func _unhandled_key_input(event: InputEvent) -> void:
	if event.is_pressed() and event.keycode == KEY_R:
		RenderingServer.call_on_render_thread(_restart)


func _exit_tree() -> void:
	for shown in textures.values():
		shown.texture_rd_rid = RID()
	RenderingServer.call_on_render_thread(_free_all)


func _beside(file: String) -> String:
	return get_script().resource_path.get_base_dir().path_join(file)


func _make() -> void:
	_device = RenderingServer.get_rendering_device()
	for shader_name in ["nca_step", "nca_live", "nca_paint", "nca_draw"]:
		var file: RDShaderFile = load(_beside(shader_name + ".glsl"))
		_shaders[shader_name] = _device.shader_create_from_spirv(file.get_spirv())
		_pipelines[shader_name] = _device.compute_pipeline_create(_shaders[shader_name])
	var format := RDTextureFormat.new()
	format.texture_type = RenderingDevice.TEXTURE_TYPE_2D_ARRAY
	format.format = FORMAT
	format.width = grid.x
	format.height = grid.y
	format.array_layers = GROUPS
	format.usage_bits = RenderingDevice.TEXTURE_USAGE_STORAGE_BIT
	for i in 3:
		_states.append(_device.texture_create(format, RDTextureView.new()))
	var picture := RDTextureFormat.new()
	picture.format = RenderingDevice.DATA_FORMAT_R16G16B16A16_SFLOAT
	picture.width = _pixels().x
	picture.height = _pixels().y
	picture.usage_bits = (
		RenderingDevice.TEXTURE_USAGE_STORAGE_BIT
		| RenderingDevice.TEXTURE_USAGE_SAMPLING_BIT
		| RenderingDevice.TEXTURE_USAGE_CAN_COPY_FROM_BIT
	)
	for i in textures.size():
		_drawn.append(_device.texture_create(picture, RDTextureView.new()))
	if fields != null:
		var texels := RDTextureFormat.new()
		texels.format = RenderingDevice.DATA_FORMAT_R8G8B8A8_UNORM
		texels.width = grid.x
		texels.height = grid.y
		texels.usage_bits = (
			RenderingDevice.TEXTURE_USAGE_STORAGE_BIT | RenderingDevice.TEXTURE_USAGE_CAN_UPDATE_BIT
		)
		fields.convert(Image.FORMAT_RGBA8)
		_field_texture = _device.texture_create(texels, RDTextureView.new(), [fields.get_data()])
	_restart()
	_show.call_deferred()


func _show() -> void:
	for i in _drawn.size():
		textures.values()[i].texture_rd_rid = _drawn[i]


func _pixels() -> Vector2i:
	return grid


func _restart() -> void:
	_step = 0
	_paint(3, Vector2.ZERO, -1.0)


func _paint(tool: int, cell: Vector2, radius: float) -> void:
	_run("nca_paint", _words(tool, cell, radius), [_states[_current]], grid)
	_draw_textures()


func _advance(steps: int) -> void:
	for i in steps:
		var before := _states[_current]
		var next := _states[1 - _current]
		var words := _words(0, Vector2.ZERO, 0.0)
		_run("nca_step", words, [before, _states[2]], grid)
		_run("nca_live", words, [before, next, _states[2]], grid)
		_current = 1 - _current
		_step += 1
	_draw_textures()


func _draw_textures() -> void:
	var images := [_states[_current]]
	_run("nca_draw", _words(0, Vector2.ZERO, 0.0), images + _drawn, _pixels())


func _words(tool: int, cell: Vector2, radius: float) -> PackedByteArray:
	var words := PackedInt32Array([grid.x, grid.y, _step, seed_number]).to_byte_array()
	words.append_array(PackedFloat32Array([cell.x, cell.y, radius, float(tool)]).to_byte_array())
	return words


func _run(shader_name: String, words: PackedByteArray, images: Array, area: Vector2i) -> void:
	var key := [shader_name] + images
	if not _sets.has(key):
		var uniforms: Array[RDUniform] = []
		for binding in images.size():
			uniforms.append(_uniform(RenderingDevice.UNIFORM_TYPE_IMAGE, binding, images[binding]))
		if shader_name == "nca_step" and _field_texture.is_valid():
			uniforms.append(_uniform(RenderingDevice.UNIFORM_TYPE_IMAGE, 4, _field_texture))
		_sets[key] = _device.uniform_set_create(uniforms, _shaders[shader_name], 0)
	var list := _device.compute_list_begin()
	_device.compute_list_bind_compute_pipeline(list, _pipelines[shader_name])
	_device.compute_list_bind_uniform_set(list, _sets[key], 0)
	_device.compute_list_set_push_constant(list, words, words.size())
	_device.compute_list_dispatch(list, ceili(area.x / 8.0), ceili(area.y / 8.0), 1)
	_device.compute_list_end()


func _uniform(type: int, binding: int, id: RID) -> RDUniform:
	var uniform := RDUniform.new()
	uniform.uniform_type = type
	uniform.binding = binding
	uniform.add_id(id)
	return uniform


func _free_all() -> void:
	# Uniform sets are freed with their textures, pipelines with their shaders.
	for id in _states + _drawn + _shaders.values():
		_device.free_rid(id)
	if _field_texture.is_valid():
		_device.free_rid(_field_texture)
