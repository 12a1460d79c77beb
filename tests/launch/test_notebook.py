"""The notebook runs from its first cell to its last, with small settings."""

import nbformat
from nbclient import NotebookClient


def test_notebook_runs_to_its_end(config, full_config, root):
    """With the settings of the shared run, so that nothing is compiled anew."""
    preset = full_config("phantom")
    small = {
        f"{section}.{key}": value for section, values in config.items() if hasattr(values, "items")
        for key, value in values.items() if value != preset[section][key]
    }
    notebook = nbformat.read(root / "launch" / "colab.ipynb", as_version=4)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    parameters.source += f"\npatients, overrides = {small.pop('phantom.patients')}, {small!r}\n"
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(root / "launch")}}).execute()
    assert "report.html" in str(notebook.cells[-1].outputs)
