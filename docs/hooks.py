"""Makes of the gallery what its examples say of themselves, so that nothing is written twice."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
GALLERY = ("topic_tree", "few_labels", "il2_response", "covid_serology", "indian_pines", "indian_pines_unmixing", "missing_data",
           "coupled_data", "counts", "nnls_block")  # fmt: skip
WITHOUT_PICTURE = ("dask_cluster", "torchrun")


def on_page_markdown(markdown, page, config, files):
    """Fill the gallery with the examples: what they say, their pictures, their code."""
    if page.file.src_uri != "gallery.md":
        return markdown
    return "\n".join([markdown, *map(entry, (*GALLERY, *WITHOUT_PICTURE))])


def entry(name):
    """Return a section for an example."""
    code = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
    title, _, text = ast.get_docstring(ast.parse(code)).partition("\n")
    picture = f"\n![{name}](pictures/{name}.png)\n" if name in GALLERY else ""
    listing = "\n".join(f"    {line}" for line in code.splitlines())
    return (
        f'## {title.rstrip(".")}\n{text}\n{picture}\n??? note "examples/{name}.py"\n\n    ```py\n{listing}\n    ```\n'
    )
