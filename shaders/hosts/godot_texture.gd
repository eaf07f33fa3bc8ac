extends TextureRect
## Runs a neural cellular automaton on the GPU and shows it: add this script to a TextureRect.
##
## Needs Godot 4.3 or newer with the Forward+ or Mobile renderer. Drag to erase, shift and drag to
## plant, R restarts. All calls of the rendering device are made on the render thread.

const GROUPS := {{ groups }}
const DIES := {{ "true" if dies else "false" }}
const FORMAT := RenderingDevice.DATA_FORMAT_{{ data_format }}
{% if weight_file %}
const WEIGHTS := "{{ weight_file }}"
{% endif %}

## Number of cells across and down.
@export var grid := Vector2i({{ side }}, {{ side }})
@export_range(1, 64) var steps_per_frame := {{ steps }}
## Random seed for cell updates and initial noise.
@export var seed_number := {{ seed }}
## Radius of the brush, in cells.
@export var brush := 10.0

## Optional fields: an image with one pixel per cell. To use it, remove the "//" before
## "#define NCA_FIELDS" in nca_step.glsl. R is the direction: the texture is turned by 2 pi r / 256,
## clockwise. G is the size: with n = g - 128, the pattern is 1 + 3 n / 127 times as large if n is 0
## or more, otherwise 1 - 3 n / 127 times as small. B is the pace: a step is b / 128 times as long.
## A is the fraction of cells that fire: a / 128 times as many. Neutral: 0, 128, 128, 128.
@export var fields: Image

var _device: RenderingDevice
var _field_texture: RID
var _pipelines := {}
var _shaders := {}
var _textures: Array[RID] = []
{% if weight_file %}
var _weights: RID
{% endif %}
var _sets := {}
var _current := 0
var _step := 0
var _shown := Texture2DArrayRD.new()


func _ready() -> void:
	var look := ShaderMaterial.new()
	look.shader = load(_beside("nca_view.gdshader"))
	look.set_shader_parameter("nca_state", _shown)
	material = look
	if texture == null:
		texture = PlaceholderTexture2D.new()
		texture.size = grid
	RenderingServer.call_on_render_thread(_make)


func _process(_delta: float) -> void:
	RenderingServer.call_on_render_thread(_advance.bind(steps_per_frame))


func _gui_input(event: InputEvent) -> void:
	if event is InputEventMouse and event.button_mask & MOUSE_BUTTON_MASK_LEFT:
		var cell := Vector2(event.position) / size * Vector2(grid)
		var tool := 1 if event.shift_pressed else 0
		RenderingServer.call_on_render_thread(_paint.bind(tool, cell, brush))


func _unhandled_key_input(event: InputEvent) -> void:
	if event.is_pressed() and event.keycode == KEY_R:
		RenderingServer.call_on_render_thread(_restart)


func _exit_tree() -> void:
	_shown.texture_rd_rid = RID()
	RenderingServer.call_on_render_thread(_free_all)


func _beside(file: String) -> String:
	return get_script().resource_path.get_base_dir().path_join(file)


func _make() -> void:
	_device = RenderingServer.get_rendering_device()
	for shader_name in ["nca_step", "nca_paint"] + (["nca_live"] if DIES else []):
		var file: RDShaderFile = load(_beside(shader_name + ".glsl"))
		_shaders[shader_name] = _device.shader_create_from_spirv(file.get_spirv())
		_pipelines[shader_name] = _device.compute_pipeline_create(_shaders[shader_name])
	var format := RDTextureFormat.new()
	format.texture_type = RenderingDevice.TEXTURE_TYPE_2D_ARRAY
	format.format = FORMAT
	format.width = grid.x
	format.height = grid.y
	format.array_layers = GROUPS
	format.usage_bits = (
		RenderingDevice.TEXTURE_USAGE_STORAGE_BIT | RenderingDevice.TEXTURE_USAGE_SAMPLING_BIT
	)
	for i in 3:
		_textures.append(_device.texture_create(format, RDTextureView.new()))
{% if weight_file %}
	var bytes := FileAccess.get_file_as_bytes(_beside(WEIGHTS))
	_weights = _device.storage_buffer_create(bytes.size(), bytes)
{% endif %}
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


func _restart() -> void:
	_step = 0
	_paint(3, Vector2.ZERO, -1.0)


func _paint(tool: int, cell: Vector2, radius: float) -> void:
	var words := _words(_step, tool, cell, radius)
	_run("nca_paint", words, [_textures[_current]])
	_show()


func _advance(steps: int) -> void:
	for i in steps:
		var before := _textures[_current]
		var next := _textures[1 - _current]
		var words := _words(_step, 0, Vector2.ZERO, 0.0)
		if DIES:
			_run("nca_step", words, [before, _textures[2]])
			_run("nca_live", words, [before, next, _textures[2]])
		else:
			_run("nca_step", words, [before, next])
		_current = 1 - _current
		_step += 1
	_show()


func _show() -> void:
	_shown.texture_rd_rid = _textures[_current]


func _words(step: int, tool: int, cell: Vector2, radius: float) -> PackedByteArray:
	var words := PackedInt32Array([grid.x, grid.y, step, seed_number]).to_byte_array()
	words.append_array(PackedFloat32Array([cell.x, cell.y, radius, float(tool)]).to_byte_array())
	return words


func _run(shader_name: String, words: PackedByteArray, textures: Array) -> void:
	var key := [shader_name] + textures
	if not _sets.has(key):
		var uniforms: Array[RDUniform] = []
		for binding in textures.size():
			uniforms.append(_uniform(RenderingDevice.UNIFORM_TYPE_IMAGE, binding, textures[binding]))
{% if weight_file %}
		if shader_name == "nca_step":
			uniforms.append(_uniform(RenderingDevice.UNIFORM_TYPE_STORAGE_BUFFER, 3, _weights))
{% endif %}
		if shader_name == "nca_step" and _field_texture.is_valid():
			uniforms.append(_uniform(RenderingDevice.UNIFORM_TYPE_IMAGE, 4, _field_texture))
		_sets[key] = _device.uniform_set_create(uniforms, _shaders[shader_name], 0)
	var list := _device.compute_list_begin()
	_device.compute_list_bind_compute_pipeline(list, _pipelines[shader_name])
	_device.compute_list_bind_uniform_set(list, _sets[key], 0)
	_device.compute_list_set_push_constant(list, words, words.size())
	_device.compute_list_dispatch(list, ceili(grid.x / 8.0), ceili(grid.y / 8.0), 1)
	_device.compute_list_end()


func _uniform(type: int, binding: int, id: RID) -> RDUniform:
	var uniform := RDUniform.new()
	uniform.uniform_type = type
	uniform.binding = binding
	uniform.add_id(id)
	return uniform


func _free_all() -> void:
	# Uniform sets are freed with their textures, pipelines with their shaders.
	for id in _textures + _shaders.values():
		_device.free_rid(id)
	if _field_texture.is_valid():
		_device.free_rid(_field_texture)
{% if weight_file %}
	_device.free_rid(_weights)
{% endif %}
