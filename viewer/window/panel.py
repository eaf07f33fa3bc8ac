"""The control panel, made with Dear ImGui (the ``ui`` extra).

The window passes its events to the panel. Sections, labels and colors are the same as on the web
page.
"""

import math
from collections.abc import Callable, Sequence

import moderngl
from imgui_bundle import imgui

from nca.exporters.glsl.lit import LIT
from nca.viewer.actions import MAX_RADIUS, MIN_RADIUS, Actions
from nca.viewer.controls import COLOR_MAPS, LABELS, LIMITS, SCALINGS, TOOLS
from nca.viewer.field_actions import field_of
from nca.viewer.simulation.look import shows_material, views_of
from nca.viewer.speed import SPEEDS, speed_text
from nca.viewer.window.lettering import font_path
from nca.viewer.window.overlay import number_text
from nca.viewer.window.panel_style import ACCENT, ON_ACCENT, QUIET, TEXT, set_style

WIDTH, MARGIN = 292.0, 22.0  # screen units

# Keys for typing a number, by their names in nca.viewer.controls.
EDITING_KEYS = {
    "Backspace": imgui.Key.backspace,
    "Delete": imgui.Key.delete,
    "Left": imgui.Key.left_arrow,
    "Right": imgui.Key.right_arrow,
    "Home": imgui.Key.home,
    "End": imgui.Key.end,
    "Enter": imgui.Key.enter,
    "Esc": imgui.Key.escape,
    "Tab": imgui.Key.tab,
}


class Panel:
    """Controls at the right edge of the window.

    Args:
        actions: actions of the controls.
        scale: pixels per screen unit.
    """

    def __init__(self, actions: Actions, scale: float) -> None:
        self._actions, self._scale = actions, scale
        self._context = imgui.create_context()
        io = imgui.get_io()
        io.set_ini_filename("")
        io.set_log_filename("")
        io.fonts.add_font_from_file_ttf(font_path(), TEXT * scale)
        set_style(scale)
        imgui.backends.opengl3_init("#version 330")
        self._drawn_at = self._actions.player.clock()
        self._visible = False
        self._pointer = (-1.0, -1.0)
        self._edges = (0.0, 0.0, 0.0, 0.0)  # left, top, right, bottom, as last drawn
        self._seed: int | None = None

    @property
    def has_pointer(self) -> bool:
        """Whether the pointer is on the panel, or holds one of its controls.

        ImGui itself reports the state at the last frame. So a click just after the pointer has
        reached the panel would paint on the texture under it.
        """
        if not self._visible:
            return False
        pressed = any(imgui.is_mouse_down(button) for button in range(3))
        return imgui.get_io().want_capture_mouse or (self._is_over() and not pressed)

    def _is_over(self) -> bool:
        x, y = self._pointer
        left, top, right, bottom = self._edges
        return left <= x < right and top <= y < bottom

    @property
    def busy(self) -> bool:
        """Whether the panel is in use and should not be hidden."""
        return self.has_pointer or imgui.get_io().want_text_input

    def move(self, x: float, y: float) -> None:
        """Handle a move of the pointer, in pixels."""
        self._pointer = x, y
        if self._visible:
            imgui.get_io().add_mouse_pos_event(x, y)

    def button(self, button: int, down: bool) -> None:
        """Handle a mouse button: 0 left, 1 right, 2 middle."""
        if self._visible:
            imgui.get_io().add_mouse_button_event(button, down)

    def wheel(self, dx: float, dy: float) -> None:
        """Handle the wheel, in notches."""
        if self._visible:
            imgui.get_io().add_mouse_wheel_event(dx, dy)

    def key(self, name: str, down: bool) -> bool:
        """Handle a key; True if the panel uses it, because a number is being typed."""
        if self._visible and name in EDITING_KEYS:
            imgui.get_io().add_key_event(EDITING_KEYS[name], down)
        return self._visible and imgui.get_io().want_text_input

    def letter(self, letter: str) -> bool:
        """Handle a typed letter; True if the panel uses it."""
        if self._visible:
            imgui.get_io().add_input_character(ord(letter))
        return self._visible and imgui.get_io().want_text_input

    def hide(self) -> None:
        """Hide the panel for now, and forget pressed keys and buttons.

        ImGui queues events until it draws, so they would take effect when the panel reappears.
        """
        if self._visible:
            self._visible = False
            io = imgui.get_io()
            io.clear_events_queue()
            io.clear_input_mouse()
            io.clear_input_keys()

    def covers(self, target: moderngl.Framebuffer) -> float:
        """Width of the panel on the right, including its margin, in pixels."""
        return float(min((WIDTH + MARGIN) * self._scale, target.viewport[2] - MARGIN * self._scale))

    def draw(self, target: moderngl.Framebuffer) -> None:
        """Draw the panel, and run the actions that were clicked since the last call."""
        if not self._visible:
            self._visible = True
            imgui.get_io().add_mouse_pos_event(*self._pointer)
        now = self._actions.player.clock()
        width, height = target.viewport[2:]
        io = imgui.get_io()
        io.display_size = imgui.ImVec2(width, height)
        io.delta_time = min(max(now - self._drawn_at, 1e-4), 0.5)
        self._drawn_at = now
        imgui.backends.opengl3_new_frame()
        imgui.new_frame()
        margin = MARGIN * self._scale
        wide = self.covers(target) - margin
        imgui.set_next_window_pos((width - wide - margin, margin))
        imgui.set_next_window_size_constraints((wide, 0), (wide, max(height - 2 * margin, 80)))
        flags = imgui.WindowFlags_
        imgui.begin(
            "Controls",
            flags=flags.no_title_bar
            | flags.no_move
            | flags.no_resize
            | flags.always_auto_resize
            | flags.no_saved_settings,
        )
        for section in (self._motion, self._brush, self._texture, self._view, self._keep):
            section()
        corner, size = imgui.get_window_pos(), imgui.get_window_size()
        self._edges = corner.x, corner.y, corner.x + size.x, corner.y + size.y
        imgui.end()
        imgui.render()
        target.use()
        imgui.backends.opengl3_render_draw_data(imgui.get_draw_data())

    def release(self) -> None:
        """Free the OpenGL objects and ImGui."""
        imgui.backends.opengl3_shutdown()
        imgui.destroy_context(self._context)

    def _motion(self) -> None:
        actions, player = self._actions, self._actions.player
        _legend("Motion", first=True)
        speed = player.speed.steps_per_frame
        index = min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - speed))
        chosen = _slider("speed", speed_text(speed), index, 0, len(SPEEDS) - 1)
        if round(chosen) != index:
            player.speed.set(SPEEDS[round(chosen)])
        run = "Pause" if player.running else "Continue"
        _buttons(
            (
                (run, actions.toggle),
                ("Step", actions.step),
                ("Reset", actions.reset),
                ("Undo", actions.undo),
            ),
            lit=None if player.running else run,
        )

    def _brush(self) -> None:
        actions, brush = self._actions, self._actions.brush
        several = len(actions.player.names) > 1
        _legend("Brush")
        offered = [
            (tool, TOOLS[tool].label)
            for tool in TOOLS
            if field_of(tool) is None
            and (tool != "rule" or several)
            and (tool != "stamp" or brush.picture is not None)
        ]
        _buttons(
            [(name, lambda tool=tool: actions.set_tool(tool)) for tool, name in offered],  # type: ignore[misc]
            lit=TOOLS[brush.tool].label,
        )
        low, high = math.log(MIN_RADIUS), math.log(MAX_RADIUS)
        radius = _slider("radius", f"{brush.radius:.0f} cells", math.log(brush.radius), low, high)
        if abs(radius - math.log(brush.radius)) > 1e-6:
            actions.set_radius(math.exp(radius))
        fields = [tool for tool in TOOLS if field_of(tool)]
        _buttons(
            [(TOOLS[tool].label, lambda tool=tool: actions.set_tool(tool)) for tool in fields],  # type: ignore[misc]
            lit=TOOLS[brush.tool].label,
        )
        if field_of(brush.tool) and brush.tool != "direction":
            shown = actions.fields.amount_text()
            brush.amount = round(_slider("amount", shown, brush.amount, *LIMITS["amount"]))
        if actions.player.simulation.fields.used:
            _buttons((("Remove all fields", actions.clear_fields),))
        if several:
            chosen = _menu("Texture", actions.player.names, brush.rule)
            if chosen != brush.rule:
                brush.rule = chosen
                actions.set_tool("rule")
        fills = [("One cell", actions.plant_center), ("All noise", actions.noise_everywhere)]
        _buttons([("Everywhere", actions.fill_rule), *fills] if several else fills)

    def _texture(self) -> None:
        player = self._actions.player
        simulation = player.simulation
        _legend("Texture")
        degrees = math.degrees(simulation.steering.rotation)
        simulation.steering.rotation = math.radians(
            _slider("rotation", f"{degrees:.0f}\u00b0", degrees, -180.0, 180.0)
        )
        simulation.steering.coarseness = _power_slider("coarseness", simulation.steering.coarseness)
        simulation.steering.dt = _power_slider("dt", simulation.steering.dt)
        rate, calm = simulation.shown_rate, simulation.shown_calm
        chosen = _slider("update_rate", f"{100 * rate:.0f}%", rate, *LIMITS["update_rate"])
        if chosen != rate:
            simulation.steering.update_rate = chosen
        chosen = _slider("calm", f"{100 * calm:.0f}%" if calm else "off", calm, *LIMITS["calm"])
        if chosen != calm:
            simulation.steering.calm = chosen
        if player.input is not None:
            strength = player.input_strength
            player.input_strength = _slider("input", f"{100 * strength:.0f}%", strength, 0.0, 1.0)
            _buttons((("Stop the input", player.close_input),))
        self._seed_row()

    def _seed_row(self) -> None:
        """Controls for the seed: type one, or draw a random one; it is used when typing ends."""
        actions = self._actions
        imgui.align_text_to_frame_padding()
        imgui.text("Seed")
        imgui.same_line(0.34 * imgui.get_window_width())
        imgui.set_next_item_width(0.3 * imgui.get_window_width())
        shown = self._seed if self._seed is not None else actions.player.simulation.seed
        changed, value = imgui.input_int("##seed", min(shown, 2**31 - 1), 0)
        if changed:
            self._seed = max(value, 0)
        if imgui.is_item_deactivated_after_edit() and self._seed is not None:
            actions.set_seed(self._seed)
        if not imgui.is_item_active():
            self._seed = None
        imgui.same_line()
        if imgui.button("New", (imgui.get_content_region_avail().x, 0)):
            actions.new_seed()

    def _view(self) -> None:
        actions, player = self._actions, self._actions.player
        look = player.look
        _legend("View")
        views = views_of(player.simulation)
        chosen = views[_menu("Show", views, views.index(player.view))]
        if chosen != player.view:
            player.set_view(chosen)
        if chosen == LIT and "height" in views:
            relief = f"{look.relief:.1f} cells" if look.relief else "off"
            look.relief = _slider("relief", relief, look.relief, *LIMITS["relief"])
        if chosen != "colors" and not shows_material(player.simulation, look):
            maps = list(COLOR_MAPS)
            look.color_map = maps[_menu("Color map", maps, maps.index(look.color_map))]
        steps = look.average_steps
        shown = "off" if steps == 1 else f"{steps} steps"
        look.average_steps = round(_slider("average_steps", shown, steps, *LIMITS["average_steps"]))
        look.scaling = SCALINGS[_menu("Scaling", SCALINGS, SCALINGS.index(look.scaling))]
        _, look.borders = imgui.checkbox("Tile lines", look.borders)
        imgui.same_line(0.5 * imgui.get_window_width())
        _, look.transparent = imgui.checkbox("Transparent", look.transparent)
        if imgui.checkbox("Limit flashes", look.flash_limit)[0]:
            actions.toggle_flash_limit()
        _buttons(
            (("Fit", actions.fit), ("Tiles", actions.tiles), ("Screen", actions.toggle_fullscreen))
        )

    def _keep(self) -> None:
        actions, player = self._actions, self._actions.player
        _legend("Save")
        _buttons(
            (
                ("Picture", actions.save_picture),
                ("2x", actions.save_picture_twice),
                ("4x", actions.save_picture_four_times),
                ("Window", actions.save_window),
            )
        )
        record = "Stop" if player.recordings.running else "Video"
        _buttons(
            (
                (record, actions.record),
                ("Save state", actions.save_state),
                ("Open", actions.open_state),
            ),
            lit="Stop",
        )
        imgui.push_style_color(imgui.Col_.text, QUIET)
        imgui.push_font(None, 0.88 * TEXT * self._scale)
        imgui.text_wrapped(number_text(actions))
        imgui.text("H: all keys   U: hide")
        imgui.pop_font()
        imgui.pop_style_color()


def _legend(text: str, *, first: bool = False) -> None:
    if not first:
        imgui.dummy((0, 0.15 * imgui.get_font_size()))
    imgui.text_colored(QUIET, text)


def _slider(name: str, shown: str, value: float, low: float, high: float) -> float:
    """A slider, with its label and its value on the line above."""
    imgui.text(LABELS.get(name, name.capitalize()))
    width = imgui.calc_text_size(shown).x
    imgui.same_line(imgui.get_cursor_pos_x() + imgui.get_content_region_avail().x - width)
    imgui.text_colored(QUIET, shown)
    imgui.set_next_item_width(-1)
    imgui.push_style_var(imgui.StyleVar_.frame_padding, (0, 0.05 * imgui.get_font_size()))
    changed, chosen = imgui.slider_float(f"##{name}", value, low, high, "")
    imgui.pop_style_var()
    return chosen if changed else value


def _power_slider(name: str, value: float) -> float:
    """A slider whose middle is the geometric mean of its ends."""
    exponent, (low, high) = math.log2(value), LIMITS[name]
    chosen = _slider(name, f"{value:.2f}", exponent, math.log2(low), math.log2(high))
    return value if chosen == exponent else 2**chosen


def _menu(name: str, entries: Sequence[str], chosen: int) -> int:
    imgui.align_text_to_frame_padding()
    imgui.text(name)
    imgui.same_line(0.34 * imgui.get_window_width())
    imgui.set_next_item_width(-1)
    return imgui.combo(f"##{name}", chosen, list(entries))[1]


def _buttons(entries: Sequence[tuple[str, Callable[[], None]]], lit: str | None = None) -> None:
    """A row of buttons with equal space around their texts; the lit one has the accent color."""
    gap = imgui.get_style().item_spacing.x
    texts = [imgui.calc_text_size(name).x for name, _ in entries]
    room = imgui.get_content_region_avail().x - gap * (len(entries) - 1)
    space = (room - sum(texts)) / len(entries)
    imgui.push_style_var(imgui.StyleVar_.frame_padding, (0, imgui.get_style().frame_padding.y))
    for i, (name, action) in enumerate(entries):
        if i:
            imgui.same_line()
        if name == lit:
            for color in (imgui.Col_.button, imgui.Col_.button_hovered, imgui.Col_.button_active):
                imgui.push_style_color(color, ACCENT)
            imgui.push_style_color(imgui.Col_.text, ON_ACCENT)
        pressed = imgui.button(name, (texts[i] + space, 0))
        if name == lit:
            imgui.pop_style_color(4)
        if pressed:
            action()
    imgui.pop_style_var()
