"""The documents as one page of HTML, which every daemon serves: its manual is at hand without a network.

The build hook makes it, so that it is in every wheel and in no commit. Headings have the anchors that GitHub
gives them, so that a link to a section works on either. Pictures that only the repository has are left out,
between two marks.
"""

import html
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

LEFT_OUT: Final = re.compile(r"<!-- not in the manual -->\n.*?<!-- end -->\n", re.DOTALL)
SERVED: Final = "../web/static/"
CONTENTS_DEPTH: Final = "h2"
ANCHORED: Final = ("h2", "h3")
ORDER: Final = (
    "install",
    "configuration",
    "signals",
    "commands",
    "metrics",
    "prometheus-and-grafana",
    "scaling",
    "notifications",
    "history",
    "teaching",
    "troubleshooting",
    "runbook",
    "how-it-works",
    "neural-network",
    "measured",
    "security",
    "architecture",
    "contributing",
    "changelog",
)
LINK: Final = re.compile(r"(?<=\]\()([\w-]+)\.md(?:#([\w-]+))?(?=\))")
PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <meta name="description" content="Manual of loadwatch {version}">
  <title>Manual of loadwatch</title>
  <link rel="icon" href="icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="manual.css">
</head>
<body>
<a class="skip" href="#content">Skip to the manual</a>
<header>
<p><a href="../">Status of this host</a></p>
<nav aria-label="Contents">
<ul>
{contents}
</ul>
</nav>
</header>
<main id="content" tabindex="-1">
<h1>loadwatch {version}</h1>
{body}</main>
<footer><p>The manual of loadwatch {version}, served by the daemon itself.</p></footer>
</body>
</html>
"""


def pages(root: Path) -> list[Path]:
    """The documents of the checkout at ``root``, in the order of the manual."""
    return [root / "loadwatch" / "docs" / f"{name}.md" for name in ORDER]


def manual(root: Path, version: str) -> str:
    """The page, from the documents of the checkout at ``root`` as they are."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in pages(root)}
    titles = {name: text.partition("\n")[0].removeprefix("# ") for name, text in texts.items()}
    whole = "\n".join(texts.values())
    linked = LINK.sub(lambda link: "#" + (link[2] or anchor(titles[link[1]])), LEFT_OUT.sub("", whole))
    markdown = MarkdownIt("commonmark").enable("table")
    tokens = markdown.parse(linked)
    for token in tokens:
        if token.type.startswith("heading_"):  # the page has one title above those of the documents
            token.tag = f"h{int(token.tag[1]) + 1}"
    contents = "\n".join(
        f'<li><a href="#{name}">{html.escape(title)}</a></li>' for name, title in _name_headings(tokens)
    )
    kept = [token for token in tokens if not _is_comment(token)]
    body = markdown.renderer.render(kept, markdown.options, {})
    # A table or an example that is wider than a phone scrolls by itself, also for who has only a keyboard.
    body = body.replace("<table>", '<div class="wide" role="group" aria-label="Table" tabindex="0">\n<table>')
    # Long names of metrics break at their underlines; a copied one has no break in it.
    body = re.sub(r"(?<=<code>)loadwatch_[a-z_]+", lambda name: name[0].replace("_", "_<wbr>"), body)
    body = body.replace("</table>", "</table>\n</div>").replace("<pre>", '<pre tabindex="0">')
    return PAGE.format(version=version, contents=contents, body=body.replace(f'src="{SERVED}', 'src="'))


def anchor(title: str) -> str:
    """What GitHub makes of a heading: small letters, no signs, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _name_headings(tokens: list[Token]) -> Iterator[tuple[str, str]]:
    """Give each heading its anchor; the anchors and titles of those that the contents list."""
    for token, inside in pairwise(tokens):
        if token.type == "heading_open" and token.tag in ANCHORED:
            title = "".join(child.content for child in inside.children or ())
            token.attrSet("id", anchor(title))
            if token.tag == CONTENTS_DEPTH:
                yield anchor(title), title


def _is_comment(token: Token) -> bool:
    return token.type == "html_block" and token.content.strip().startswith("<!--")
