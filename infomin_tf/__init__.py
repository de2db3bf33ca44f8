"""infomin_tf: choose, learn and measure views for contrastive learning (Tian et al. 2020, InfoMin)."""

from infomin_tf import registration

__version__ = "0.1.0"

registration.register()


def __getattr__(name):
    """Loads `load_encoder` on first use, so that importing the package does not import TensorFlow."""
    if name == "load_encoder":
        from infomin_tf.export import load_encoder

        return load_encoder
    raise AttributeError(f"module 'infomin_tf' has no attribute {name!r}")
