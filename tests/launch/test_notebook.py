"""The notebook runs from its first cell to its last, with small settings."""

import pathlib

import nbformat
from nbclient import NotebookClient

NOTEBOOK = pathlib.Path(__file__).parents[2] / "launch" / "colab.ipynb"
SMALL = """
patients = 24
overrides = {
    "train.steps": 3, "train.batch_size": 8, "data.size": 16, "data.folds": 2, "data.slices_per_patient": 6,
    "model.width": 4, "model.scales": 2, "model.discriminator_width": 4, "genes.components": 5,
    "phantom.genes": 200, "phantom.modules": 9, "phantom.module_size": (8, 10), "phantom.decoys_per_driver": 3,
    "phantom.outliers": 4, "phantom.outlier_genes": 2, "phantom.diameter_mm": (9.0, 20.0), "data.extent_mm": 32.0,
    "evaluate.permutations": 99, "evaluate.bootstraps": 20, "map.permutations": 99, "map.metagenes": 5,
}
"""


def test_notebook_runs_to_its_end():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    parameters.source += SMALL
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    assert "report.html" in str(notebook.cells[-1].outputs)
