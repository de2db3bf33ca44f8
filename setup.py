"""Metadata and dependencies; tool settings are in pyproject.toml."""

import os
import re

from setuptools import find_packages, setup

HERE = os.path.dirname(os.path.abspath(__file__))


def read(*path):
    """The text of a file of the project."""
    with open(os.path.join(HERE, *path), encoding="utf-8") as file:
        return file.read()


GIN_FOLDERS = [""] + sorted(
    os.path.relpath(root, os.path.join(HERE, "gin"))
    for root, _, files in os.walk(os.path.join(HERE, "gin"))
    if any(file.endswith(".gin") for file in files) and root != os.path.join(HERE, "gin")
)
GIN_PACKAGES = {
    ".".join(["infomin_tf", "gin", *filter(None, folder.split(os.sep))]): os.path.join(
        "gin", folder
    )
    for folder in GIN_FOLDERS
}

setup(
    name="infomin_tf",
    version=re.search(r'__version__ = "(.*)"', read("infomin_tf", "__init__.py"))[1],
    description="Choose, learn and measure views for contrastive learning (InfoMin), with Keras",
    long_description=read("README.md"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["infomin_tf*"]) + list(GIN_PACKAGES),
    package_dir=GIN_PACKAGES,
    package_data={"infomin_tf.experiment": ["pages/*.md"], "infomin_tf.sweeps": ["*.html"]}
    | {package: ["*.gin"] for package in GIN_PACKAGES},
    install_requires=[
        "tensorflow>=2.21",
        "keras>=3.15",
        "tensorflow-datasets>=4.9.10",
        "importlib_resources>=6.0",
        "gin-config>=0.5.0",
        "absl-py>=2.1",
        "numpy>=2.0",
        "pillow>=10.0",
        "scikit-learn>=1.5",
        "threadpoolctl>=3.1",
        "tensorboard>=2.19",
        "tqdm>=4.66",
        "scipy>=1.13",
        "matplotlib>=3.9",
    ],
    extras_require={
        "torchvision": ["safetensors>=0.5"],
        "onnx": ["tf2onnx>=1.17", "onnx>=1.18"],
        "litert": ["ai-edge-litert>=2.0"],
        "detection": ["keras-hub>=0.32", "pycocotools>=2.0.8"],
        "test": [
            "pytest>=8.0",
            "pytest-xdist>=3.8",
            "ruff>=0.9",
            "scikit-image>=0.25",
            "nbclient>=0.10",
            "ipykernel>=6.29",
            "pyarrow>=18.0",
            "safetensors>=0.5",
            "tf2onnx>=1.17",
            "onnx>=1.18",
            "onnxruntime>=1.23",
            "ai-edge-litert>=2.0",
            "pyyaml>=6.0",
            "keras-hub>=0.32",
            "pycocotools>=2.0.8",
        ],
        "embed": ["pyarrow>=18.0"],
        "docs": ["mkdocs-material>=9.6", "mkdocstrings[python]>=0.29"],
    },
    entry_points={
        "console_scripts": [
            "infomin-train = infomin_tf.command_line.main:train_main",
            "infomin-evaluate = infomin_tf.command_line.main:evaluate_main",
            "infomin-export = infomin_tf.command_line.main:export_main",
            "infomin-show-views = infomin_tf.command_line.main:show_views_main",
            "infomin-sweep = infomin_tf.command_line.main:sweep_main",
            "infomin-audit-views = infomin_tf.command_line.main:audit_views_main",
            "infomin-embed = infomin_tf.command_line.main:embed_main",
        ]
    },
)
