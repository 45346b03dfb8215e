"""The README as a page of HTML, which every daemon serves: a host without a way out has its manual at hand.

``python .dev/documents.py`` writes it. Headings have the anchors that GitHub gives them, so that a link to a
section works on either. Pictures that only the repository has are left out, between two marks.
"""

import html
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

LEFT_OUT: Final = re.compile(r"<!-- not in the manual -->\n.*?<!-- end -->\n", re.DOTALL)
SERVED: Final = "loadwatch/web/static/"
CONTENTS_DEPTH: Final = "h2"
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
{body}</main>
<footer><p>The manual of loadwatch {version}, served by the daemon itself.</p></footer>
</body>
</html>
"""


def page(readme: str, version: str) -> str:
    """The whole page; the README's generated blocks are as of now already."""
    markdown = MarkdownIt("commonmark").enable("table")
    tokens = markdown.parse(LEFT_OUT.sub("", readme))
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
        if token.type == "heading_open":
            title = "".join(child.content for child in inside.children or ())
            token.attrSet("id", anchor(title))
            if token.tag == CONTENTS_DEPTH:
                yield anchor(title), title


def _is_comment(token: Token) -> bool:
    return token.type == "html_block" and token.content.strip().startswith("<!--")
