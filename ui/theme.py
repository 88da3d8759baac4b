"""The UI's theme: system fonts (nothing is fetched), light and dark colours, and its style sheet."""

from pathlib import Path

from gradio import themes

STYLE = Path(__file__).with_name("theme.css")


def build_theme() -> themes.Base:
    """Warm neutral surfaces, one earthy accent; light or dark as the system says."""
    theme = themes.Base(
        primary_hue=themes.colors.amber,
        secondary_hue=themes.colors.stone,
        neutral_hue=themes.colors.stone,
        radius_size=themes.sizes.radius_lg,
        text_size=themes.sizes.text_md,
        font=("ui-sans-serif", "system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    )
    return theme.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_900",
        body_text_color="*neutral_800",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_700",
        color_accent_soft="*primary_100",
        color_accent_soft_dark="*primary_900",
        accordion_text_color="*primary_700",
        accordion_text_color_dark="*primary_400",
        input_background_fill="white",
        input_background_fill_dark="*neutral_800",
        input_border_width="1px",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_border_width="1px",
    )
