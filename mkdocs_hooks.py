"""Makes a page of the site from the notebook, and lets links to the notebook lead there."""

import base64
import json
import pathlib

from mkdocs.structure.files import File

NOTEBOOK, PAGE = "examples/choose_learn_measure.ipynb", "notebook.md"


def on_files(files, config):
    """Adds the page and its pictures."""
    path = pathlib.Path(config.config_file_path).parent / NOTEBOOK
    parts, pictures = [], {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source.replace("](../docs/", "]("))
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            parts.append(_shown(output, pictures))
    files.append(File.generated(config, PAGE, content="\n\n".join(parts)))
    for name, content in pictures.items():
        files.append(File.generated(config, name, content=content))
    return files


def _shown(output, pictures):
    """Markdown of an output; its picture goes to pictures."""
    for kind, data in output.get("data", {}).items():
        if kind in ("image/jpeg", "image/png"):
            name = f"figures/notebook_{len(pictures)}.{kind.removeprefix('image/')}"
            pictures[name] = base64.b64decode("".join(data))
            return f"![Output of the code above]({name})"
    text = output.get("text") or output["data"]["text/plain"]
    return f"```text\n{''.join(text).rstrip()}\n```"


def on_page_markdown(markdown, page, **_):
    """Links to the notebook lead to its page."""
    depth = page.file.src_uri.count("/")
    return markdown.replace(f"]({'../' * (depth + 1)}{NOTEBOOK})", f"]({'../' * depth}{PAGE})")
