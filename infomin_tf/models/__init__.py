"""Networks: backbones, heads and their combination."""
