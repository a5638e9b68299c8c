"""The texts of the plot, for its script: English -> the language of the page."""

from smgw.look.language import N_, Language

_WORDS = (
    N_("missing"),
    N_("Time"),
    N_("Zoom in"),
    N_("Zoom out"),
    N_("Earlier"),
    N_("Later"),
    N_("Whole"),
    N_("Zoom of the plot"),
    N_("Key {} while the plot has the focus"),
    N_("The plot could not be drawn ({}); the table below holds the same values."),
    N_("{YYYY}-{MM}-{DD}"),
    N_("{YYYY}-{MM}"),
    N_("{MM}-{DD}"),
)


def plot_words(language: Language) -> dict[str, str]:
    """All of them. Dates are patterns of uPlot."""
    found = {text: language.text(text) for text in _WORDS}
    found["Clock not valid"] = language.text(N_("An end is missing"))  # what the marked points of this curve are
    found["sv-SE"] = language.context("locale of times in the plot", "sv-SE")
    found["."] = language.context("decimal point", ".")
    return found
