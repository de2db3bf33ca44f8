"""Features of images in PyTorch: torchvision's network with the weights of an export.

    bin/export --model_dir=RUN --format=torchvision
    python examples/use_in_pytorch.py RUN/export photo1.jpg photo2.jpg

Writes features.npy, float32 [M, D]. Needs torchvision, safetensors and pillow, not this package.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torchvision.models import resnet
from torchvision.transforms.v2 import functional


def load(export):
    """(the network in inference mode, what encoder.json says) of an export folder."""
    folder = pathlib.Path(export, "torchvision")
    facts = json.loads((folder / "encoder.json").read_text())
    shape = dict(facts["network"])
    network = resnet.ResNet(getattr(resnet, shape.pop("block")), **shape)  # such as resnet50()
    if facts["small_images"]:
        network.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    if not facts["max_pool"]:
        network.maxpool = torch.nn.Identity()
    network.fc = torch.nn.Identity()
    network.load_state_dict(load_file(folder / "encoder.safetensors"))
    return network.eval(), facts


def prepare(images, facts):
    """Input [..., 3, size, size] of the network for square images uint8 [..., 3, H, W]."""
    pixels = functional.to_dtype(images, torch.float32, scale=True)
    if facts["resize"]:
        pixels = functional.resize(pixels, [facts["resize"]] * 2, antialias=True)
        start = (facts["resize"] - facts["size"]) // 2
        pixels = pixels[..., start : start + facts["size"], start : start + facts["size"]]
    return functional.normalize(pixels, facts["mean"], facts["std"])


def main(export, *files):
    network, facts = load(export)
    inputs = []
    for file in files:
        image = Image.open(file).convert("RGB")
        square = functional.pil_to_tensor(ImageOps.fit(image, [min(image.size)] * 2))
        inputs.append(prepare(square, facts))
    with torch.inference_mode():
        features = network(torch.stack(inputs)).numpy()
    np.save("features.npy", features)
    print(f"features.npy: {features.shape}")


if __name__ == "__main__":
    main(*sys.argv[1:])
