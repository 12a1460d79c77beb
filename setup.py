"""Installs radiogenomics; `pip install .[cuda]` or `.[tpu]` on accelerators, `.[test]` for the tests."""

import setuptools

setuptools.setup(
    name="radiogenomics",
    version="0.1.0",
    description="Radiogenomic maps from a gene-conditioned GAN: which genes show in CT, where and how surely.",
    license="Apache-2.0",
    packages=setuptools.find_packages(include=["radiogenomics", "radiogenomics.*"]),
    package_data={"radiogenomics": ["reports/*.html", "data/*.html"]},
    python_requires=">=3.11",
    install_requires=[
        "absl-py",
        "array_record",
        "flax>=0.12",
        "grain",
        "h5netcdf",
        "h5py",  # the backend that h5netcdf asks for
        "highdicom>=0.26",
        "importlib_resources",  # tensorflow-datasets imports it without declaring it
        "jax>=0.10,<0.12",
        "jinja2",
        "matplotlib",
        "ml_collections>=1.1",
        "numpy",
        "optax",
        "orbax-checkpoint>=0.12",
        "pandas",
        "plotly",
        "pydicom>=3",
        "scikit-image",
        "scikit-learn",
        "scipy",
        "SimpleITK",
        "tensorboardX",
        "threadpoolctl",
        "tensorflow-datasets>=4.9.9",
        "tqdm",
        "xarray",
    ],
    extras_require={
        "beam": ["apache-beam>=2.70"],
        "cuda": ["jax[cuda12]"],
        "enrichment": ["gseapy>=1.1"],
        "tpu": ["jax[tpu]"],
        "test": ["dcor", "hypothesis", "ipykernel", "nbclient", "nbformat", "pytest", "pytest-xdist", "ruff"],
    },
)
