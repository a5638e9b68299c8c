"""Sentences of a Markdown text, without code, tables, headings and links."""

import re


def sentences(markdown: str) -> list[str]:
    """Each sentence of more than two words, in its order. An item of a list begins a new one."""
    text = re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
    kept = [line for line in text.splitlines() if not line.lstrip().startswith(("|", "#", "!", "[", "<", "{{"))]
    text = "\n".join(re.sub(r"^\s*(?:[-*]|\d+\.)\s+", "\n\n", line) for line in kept)
    text = re.sub(r"`+([^`]*)`+", r"\1", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text))
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        found += re.split(r"(?<=[.!?])\s+(?=[A-Z`\"(])", " ".join(paragraph.split()))
    return [sentence for sentence in found if len(sentence.split()) > 2]
