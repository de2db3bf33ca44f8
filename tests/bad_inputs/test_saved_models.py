"""Models of elsewhere, and exports that are damaged."""

import shutil
import zipfile

import numpy as np
import pytest
import tensorflow as tf

import infomin_tf
from infomin_tf.models import resnet
from infomin_tf.models.torchvision import load_torchvision_resnet
from tests.bad_inputs.cases import Refused, check_refused

refused = Refused()


def torch_weights(folder, change):
    """Gives a network weights of its own, changed."""
    backbone = resnet.ResNet18(width=0.0625)
    backbone.build((None, 32, 32, 3))
    kernel = backbone.stem.convolution.kernel.shape
    load_torchvision_resnet(backbone, change({"conv1.weight": np.zeros(kernel[::-1])}))


@refused.by("does not fit ResNet18: it lacks bn1.weight", "use the backbone that the weights")
def weights_that_are_incomplete(folder):
    torch_weights(folder, lambda weights: weights)


@refused.by("does not fit ResNet18", "give what is in it under 'state_dict'")
def weights_in_a_checkpoint(folder):
    torch_weights(folder, lambda weights: {"state_dict": weights, "epoch": 200})


@refused.by(
    "needs a dict of names and arrays, not a list", r"call the torch module's state_dict\(\)"
)
def weights_in_a_list(folder):
    torch_weights(folder, list)


@pytest.mark.parametrize("function, pattern", refused)
def test_weights_that_are_refused(function, pattern, tmp_path):
    check_refused(function, pattern, tmp_path)


def other_model(folder):
    """A SavedModel that is not one of ours."""
    module = tf.Module()
    module.variable = tf.Variable(1.0)
    tf.saved_model.save(module, str(folder / "saved_model"))


def without_variables(folder):
    other_model(folder)
    shutil.rmtree(folder / "saved_model" / "variables")


def cut(folder):
    other_model(folder)
    (folder / "saved_model" / "saved_model.pb").write_bytes(b"\x08\x01\x12")


def other_archive(folder):
    with zipfile.ZipFile(folder / "encoder.keras", "w") as archive:
        archive.writestr("notes.txt", "no model")


def cut_archive(folder):
    (folder / "encoder.keras").write_bytes(b"PK\3\4")


@pytest.mark.parametrize("make", [other_model, without_variables, cut, other_archive, cut_archive])
def test_exports_that_are_damaged_are_refused(make, tmp_path):
    make(tmp_path)
    name = "encoder.keras" if "archive" in make.__name__ else ""
    pattern = "damaged or is not an export of this package.*export again with bin/export"
    check_refused(lambda folder: infomin_tf.load_encoder(folder / name), pattern, tmp_path)
