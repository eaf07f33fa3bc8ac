"""Colors and sizes of the panel, which match the web page."""

from imgui_bundle import imgui

TEXT = 14.0  # screen units

Color = tuple[float, float, float, float]

INK, QUIET = (0.957, 0.949, 0.933, 1.0), (0.957, 0.949, 0.933, 0.66)
GLASS, FIELD, HOVER = (0.086, 0.082, 0.078, 0.90), (1.0, 1.0, 1.0, 0.08), (1.0, 1.0, 1.0, 0.15)
ACCENT, ON_ACCENT, EDGE = (1.0, 0.706, 0.329, 1.0), (0.11, 0.075, 0.02, 1.0), (1.0, 1.0, 1.0, 0.1)


def set_style(scale: float) -> None:
    """Style the current context of ImGui, for ``scale`` pixels per screen unit."""
    style = imgui.get_style()
    style.window_rounding, style.frame_rounding, style.popup_rounding = 18.0, 8.0, 10.0
    style.grab_rounding, style.scrollbar_rounding = 8.0, 8.0
    style.window_padding, style.frame_padding = imgui.ImVec2(18, 14), imgui.ImVec2(8, 5)
    style.item_spacing, style.item_inner_spacing = imgui.ImVec2(6, 5), imgui.ImVec2(8, 6)
    style.grab_min_size, style.scrollbar_size = 14.0, 8.0
    style.window_border_size, style.popup_border_size = 1.0, 1.0
    style.scale_all_sizes(scale)
    style.font_size_base = TEXT * scale
    names = imgui.Col_
    colors: dict[imgui.Col_, Color] = {
        names.text: INK,
        names.window_bg: GLASS,
        names.popup_bg: (0.12, 0.115, 0.11, 0.98),
        names.border: EDGE,
        names.frame_bg: FIELD,
        names.frame_bg_hovered: HOVER,
        names.frame_bg_active: HOVER,
        names.button: FIELD,
        names.button_hovered: HOVER,
        names.button_active: HOVER,
        names.header: HOVER,
        names.header_hovered: HOVER,
        names.header_active: HOVER,
        names.slider_grab: ACCENT,
        names.slider_grab_active: ACCENT,
        names.check_mark: ACCENT,
        names.scrollbar_bg: (0.0, 0.0, 0.0, 0.0),
        names.scrollbar_grab: HOVER,
        names.text_selected_bg: (1.0, 0.706, 0.329, 0.35),
    }
    if hasattr(names, "checkbox_selected_bg"):  # since 1.92.6
        colors[names.checkbox_selected_bg] = FIELD
    for name, color in colors.items():
        style.set_color_(name, imgui.ImVec4(*color))
