"""Refuses a site whose pages fetch anything: python docs/tools/offline.py SITE"""

import re
import sys
from pathlib import Path

# What a browser loads by itself; links of <a> are the reader's to follow.
_FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|<link\b(?![^>]*\brel=[\"']?canonical)[^>]*\bhref=[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|@import\s+[\"']((?:https?:)?//[^\"')\s;]+)"
    r"|url\([\"']?((?:https?:)?//[^\"')\s]+)",
    re.IGNORECASE,
)


def fetched(text: str) -> list[str]:
    """Addresses that a page or style sheet loads from elsewhere."""
    return ["".join(found) for found in _FETCHED.findall(text)]


def main(site: Path) -> None:
    pages = [path for kind in ("html", "css") for path in site.rglob(f"*.{kind}")]
    found = [f"{path}: {address}" for path in pages for address in fetched(path.read_text(encoding="utf-8"))]
    if found or not pages:
        sys.exit("\n".join(found) or f"{site}: no pages")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
