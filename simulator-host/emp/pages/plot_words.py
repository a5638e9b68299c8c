"""The texts of the plot, for its script: English -> the language of the page."""

from smgw.look.language import Language


def plot_words(language: Language) -> dict[str, str]:
    """All of them. Dates are patterns of uPlot."""
    _ = language.text
    return {
        "missing": _("missing"),
        "Time": _("Time"),
        "Clock not valid": _("Clock not valid"),
        "Zoom in": _("Zoom in"),
        "Zoom out": _("Zoom out"),
        "Earlier": _("Earlier"),
        "Later": _("Later"),
        "Whole": _("Whole"),
        "Zoom of the plot": _("Zoom of the plot"),
        "Key {} while the plot has the focus": _("Key {} while the plot has the focus"),
        "The plot could not be drawn ({}); the table below holds the same values.": _(
            "The plot could not be drawn ({}); the table below holds the same values."
        ),
        "{YYYY}-{MM}-{DD}": _("{YYYY}-{MM}-{DD}"),
        "{YYYY}-{MM}": _("{YYYY}-{MM}"),
        "{MM}-{DD}": _("{MM}-{DD}"),
        "sv-SE": language.context("locale of times in the plot", "sv-SE"),
        ".": language.context("decimal point", "."),
    }
